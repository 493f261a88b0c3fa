"""Does a batch keep every record in its place, however it is cut and whatever is ignored?"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import avro
from schemas.columns import IGNORED, Batch, Columns, Reader, Records, Strings, encode
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS, DELAY_PREDICTED, AssignmentAccepted, DelayPredicted, DeliveryCompleted, WeatherObserved
from schemas.event import Event
from tests.builders import build, many

KINDS: tuple[type[Event], ...] = (AssignmentAccepted, DeliveryCompleted, WeatherObserved, Control)
SCHEMAS: dict[int, Any] = {number: avro.schema(event) for number, event in enumerate(KINDS)}


def written(event: Event) -> bytes:
    return encode(Columns.of([event]), KINDS.index(type(event))).raws()[0] or b""


EXAMPLES = [build(kind, event_id=f"{kind.__name__}-{i}") for kind in KINDS for i in range(3)]
RAW = [(event, written(event)) for event in EXAMPLES]
logs = st.lists(st.sampled_from([*range(len(RAW)), -1, -1]), max_size=40)
"""Numbers of events, -1 for a broken record."""


def read(log: list[int]) -> Batch:
    messages = [(100 + i, i, RAW[k][0].key.encode() if k >= 0 and hasattr(RAW[k][0], "topic") else b"any", RAW[k][1] if k >= 0 else b"?")
                for i, k in enumerate(log)]  # fmt: skip
    return Reader(ASSIGNMENTS, SCHEMAS.get).read(Records.of(ASSIGNMENTS.name, 4, messages))


def is_consistent(batch: Batch, expected: list[Event | None]) -> None:
    """Assert that the batch holds these events at these places; None is bad or ignored."""
    assert list(batch.rows()) == [event for event in expected if event is not None]
    assert [batch.event_ids[i] if kind >= 0 else None for i, kind in enumerate(batch.kind.tolist())] == [
        event.event_id if event else None for event in expected
    ]
    for event in batch.holds:
        order = batch.order(event).tolist()
        assert order == [i for i, each in enumerate(expected) if type(each) is event]
        assert batch.row[order].tolist() == list(range(len(order))) if order else batch.of(event).n == 0
        assert list(batch.of(event).rows()) == [expected[i] for i in order]


@settings(max_examples=100)
@given(log=logs)
def test_several_classes_in_one_log_keep_their_places(log: list[int]) -> None:
    batch = read(log)

    is_consistent(batch, [RAW[k][0] if k >= 0 else None for k in log])
    assert [letter.index for letter in batch.letters] == [i for i, k in enumerate(log) if k < 0]
    assert (batch.topic, batch.partition, batch.n) == (ASSIGNMENTS.name, 4, len(log))
    assert batch.offsets.tolist() == [100 + i for i in range(len(log))]


@settings(max_examples=100)
@given(log=logs, data=st.data())
def test_a_slice_of_a_slice_is_what_lies_there(log: list[int], data: st.DataObject) -> None:
    batch, events = read(log), [RAW[k][0] if k >= 0 else None for k in log]
    for _ in range(2):
        first = data.draw(st.integers(0, len(events)))
        last = data.draw(st.integers(first, len(events)))
        batch, events = batch.slice(first, last), events[first:last]

        is_consistent(batch, events)
        assert len(batch.records) == len(events)
        assert [letter.index for letter in batch.letters] == [i for i, kind in enumerate(batch.kind.tolist()) if kind == -1]


@settings(max_examples=100)
@given(log=logs, data=st.data())
def test_ignored_records_stay_in_place_and_leave_the_columns(log: list[int], data: st.DataObject) -> None:
    batch, events = read(log), [RAW[k][0] if k >= 0 else None for k in log]
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(log), max_size=len(log))), np.bool_)

    rest = batch.drop(mask)

    is_consistent(rest, [None if gone else event for event, gone in zip(events, mask, strict=True)])
    assert (rest.kind == IGNORED).tolist() == (mask & (batch.kind >= 0)).tolist()
    assert rest.letters == batch.letters
    is_consistent(batch, events)


def test_a_class_the_topic_does_not_hold_is_named_with_those_it_does() -> None:
    with pytest.raises(KeyError, match=r"holds AssignmentAccepted.*Control; not DelayPredicted"):
        read([])[DelayPredicted]


def test_a_field_is_asked_of_the_batch_only_where_there_is_one_class() -> None:
    answers = many(DelayPredicted, 3)
    values = encode(Columns.of(answers), 1).raws()
    batch = Reader(DELAY_PREDICTED, {1: avro.schema(DelayPredicted)}.get).read(
        Records.of(
            DELAY_PREDICTED.name, 0, [(i, 0, e.key.encode(), v) for i, (e, v) in enumerate(zip(answers, values, strict=True))]
        )
    )

    assert batch["event_id"].tolist() == [each.event_id for each in answers]
    with pytest.raises(KeyError, match="several classes"):
        read([])["event_id"]


def test_an_id_the_registry_did_not_know_is_asked_for_again_later() -> None:
    known: dict[int, Any] = {}
    asked: list[int] = []

    def schemas(schema_id: int) -> Any:
        asked.append(schema_id)
        return known.get(schema_id)

    reader, records = Reader(ASSIGNMENTS, schemas), Records.of("t", 0, [(0, 0, EXAMPLES[0].key.encode(), RAW[0][1])])
    for _ in range(10):
        assert reader.read(records).letters[0].reason == "unknown_schema"
    known |= SCHEMAS
    found = [reader.read(records).letters for _ in range(100)]

    assert found[-1] == []
    assert asked == [0, 0]


def test_what_the_registry_raises_is_raised_and_nothing_is_remembered() -> None:
    answers: list[Any] = [ConnectionError("away"), SCHEMAS[0]]

    def schemas(_: int) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    reader, records = Reader(ASSIGNMENTS, schemas), Records.of("t", 0, [(0, 0, EXAMPLES[0].key.encode(), RAW[0][1])])

    with pytest.raises(ConnectionError):
        reader.read(records)
    assert reader.read(records).letters == []


def test_records_that_do_not_lie_in_their_buffer_are_not_read() -> None:
    for start, size in ((0, 4), (-1, 2), (3, 1), (2**63 - 1, 3)):
        values = Strings(np.zeros(3, np.uint8), np.array([start]), np.array([size], np.int32))

        with pytest.raises(ValueError, match="does not lie in its buffer"):
            Reader(ASSIGNMENTS, SCHEMAS.get).read(
                Records("t", 0, np.zeros(1, np.int64), np.zeros(1, np.int64), Strings.of([b"k"]), values)
            )


@pytest.mark.parametrize("schema", [{}, {"type": "record", "name": "AssignmentAccepted"}, {"type": "record", "name": "AssignmentAccepted",
                                    "fields": [{"name": "at", "type": "instant"}]}, "string"])  # fmt: skip
def test_a_schema_that_is_none_is_refused_not_raised(schema: Any) -> None:
    batch = Reader(ASSIGNMENTS, {1: schema}.get).read(Records.of("t", 0, [(0, 0, b"k", b"\x00\x00\x00\x00\x01abc")]))

    assert batch.letters[0].reason == "wrong_type"
