"""Do events that travel in chunks arrive as they would one by one?"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import Fault
from producers.chunk import Chunk, chunks
from producers.client import NotAnEvent, Producer
from schemas.columns import Columns
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted, DeliveryCompleted, DriverAvailabilityChanged, WeatherObserved
from schemas.event import Event
from tests.builders import build, events, many
from tests.fakes import FakeLog, FakeOutlet, FakeRegistry

TOPIC = ASSIGNMENTS.name
FACTS = (AssignmentAccepted, DeliveryCompleted, DriverAvailabilityChanged, WeatherObserved)
any_facts = st.lists(st.one_of([events(kind) for kind in FACTS]), max_size=20)
any_events = st.lists(st.one_of([events(kind) for kind in (*FACTS, Control)]), max_size=20)


def connect(log: FakeLog, **more: Any) -> Producer:
    return Producer("fake:9092", FakeRegistry(), outlet=FakeOutlet(log), **more)


def one_by_one(sent: list[Event]) -> FakeLog:
    log = FakeLog({TOPIC: 3})
    with connect(log) as producer:
        for event in sent:
            if isinstance(event, Control):
                producer.send_to_all(event, ASSIGNMENTS)
            else:
                producer.send(event)
    return log


@settings(max_examples=50)
@given(any_events)
def test_a_chunk_leaves_the_same_bytes_in_the_same_places_as_single_events(sent: list[Event]) -> None:
    log = FakeLog({TOPIC: 3})
    with connect(log) as producer:
        assert producer.send_many(sent, ASSIGNMENTS) == len(sent)
    assert log.records == one_by_one(sent).records


@settings(max_examples=50)
@given(any_events)
def test_a_chunk_gives_back_its_events_in_their_order(sent: list[Event]) -> None:
    chunk = Chunk.of(sent)
    assert list(chunk.rows()) == sent
    assert chunk.at.tolist() == [round(event.at.timestamp() * 1000) for event in sent]
    assert chunk.facts.tolist() == [not isinstance(event, Control) for event in sent]


@given(any_facts)
def test_columns_are_merged_in_event_time_order(sent: list[Event]) -> None:
    parts = [Columns.of([event for event in sent if type(event) is kind]) for kind in FACTS if any(type(e) is kind for e in sent)]
    if parts:
        at = Chunk.by_time(parts).at.tolist()
        assert at == sorted(at)
        assert len(at) == len(sent)


@given(any_facts, st.integers(1, 7))
def test_chunks_lose_nothing(sent: list[Event], size: int) -> None:
    assert [event for chunk in chunks(sent, size) for event in chunk.rows()] == sent


def test_a_span_of_a_posting_can_be_sent_alone() -> None:
    log = FakeLog({TOPIC: 3})
    sent = many(AssignmentAccepted, 10, depot_id=lambda i: f"d{i}")
    with connect(log) as producer:
        ready = producer.prepare(Chunk.of(sent))
        assert producer.post(ready, 3, 5) == 2
        assert producer.sent == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9])
def test_a_value_that_its_class_refuses_fails_before_its_chunk_is_sent(value: float) -> None:
    good = many(AssignmentAccepted, 5)
    bad = good[3].model_copy(update={"lateness_s": value})
    producer = connect(FakeLog({TOPIC: 3}))
    with pytest.raises(NotAnEvent, match="lateness_s"):
        producer.send_many([*good[:3], bad, *good[4:]])
    with pytest.raises(NotAnEvent, match=r"AssignmentAccepted\.lateness_s, row 3"):
        producer.prepare(Chunk.of([*good[:3], bad, *good[4:]]))
    assert producer.sent == 0


@pytest.mark.parametrize("wrong", [{"at": 5}, {"items": 2**70}, {"items": "many"}, {"depot_id": None}, {"distance_km": "far"}])
def test_a_value_of_another_type_fails_before_its_chunk_is_sent_and_is_named(wrong: dict[str, Any]) -> None:
    producer = connect(FakeLog({TOPIC: 3}))
    with pytest.raises(NotAnEvent, match=next(iter(wrong))):
        producer.send_many([build(AssignmentAccepted), build(AssignmentAccepted).model_copy(update=wrong)])
    assert producer.sent == 0


def test_a_control_record_needs_to_be_told_its_topic() -> None:
    with pytest.raises(Fault, match="facts topic"):
        connect(FakeLog({TOPIC: 3})).send_many([build(Control)])


def test_order_within_a_key_is_kept_from_chunk_to_chunk() -> None:
    sent: list[Event] = list(many(AssignmentAccepted, 4_500, every=timedelta(seconds=1), depot_id=lambda i: f"d{i % 7}"))
    log = FakeLog({TOPIC: 3})
    with connect(log) as producer:
        producer.send_many(sent)
    assert log.records == one_by_one(sent).records
