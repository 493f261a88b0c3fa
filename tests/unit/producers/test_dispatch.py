"""Do the facts of dispatch leave in event-time order, with the hours told at the right place in every partition?"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import Fault
from producers import dispatch
from producers.chunk import Chunk, chunks
from producers.client import Producer
from producers.pace import Pacer, schedule
from producers.simulation import City, simulate
from producers.ticks import with_ticks
from schemas.columns import Batch, Reader, Records
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted, DeliveryCompleted
from schemas.event import Event
from tests.builders import USUAL_AT, build, many
from tests.fakes import FakeLog, FakeOutlet, FakeRegistry

TOPIC = ASSIGNMENTS.name
CITY = City(depots=5, couriers=3, streets=3, orders=200)


def pacer() -> Pacer:
    def sleep(_s: float) -> None:
        raise AssertionError("nobody sleeps without a pace")

    return Pacer(schedule(), clock=lambda: 0.0, sleep=sleep)


def sent_to(source: Iterator[Chunk], partitions: int = 3, **more: Any) -> tuple[FakeLog, FakeRegistry, dispatch.Sent]:
    log, registry = FakeLog({TOPIC: partitions}), FakeRegistry()
    with Producer("fake:9092", registry, outlet=FakeOutlet(log)) as producer:
        sent = dispatch.send(source, producer, pacer(), **more)
    return log, registry, sent


def batch(log: FakeLog, registry: FakeRegistry, partition: int) -> Batch:
    raw = [(i, 0, key, value) for i, (key, value) in enumerate(log.read(TOPIC, partition))]
    return Reader(ASSIGNMENTS, registry).read(Records.of(TOPIC, partition, raw))


times = st.lists(st.integers(0, 20 * 3_600_000), min_size=1, max_size=40)


@settings(max_examples=100)
@given(times, st.booleans(), st.integers(1, 7))
def test_the_hours_of_chunks_are_those_of_events(minutes: list[int], late: bool, size: int) -> None:
    at = [USUAL_AT + timedelta(milliseconds=ms) for ms in (minutes if late else sorted(minutes))]
    events: list[Event] = [build(DeliveryCompleted, event_id=f"e{i}", at=moment) for i, moment in enumerate(at)]
    found = [event for chunk in dispatch.ticked(chunks(events, size)) for event in chunk.rows()]
    assert found == list(with_ticks(events))


def test_every_partition_has_every_fact_of_its_keys_in_order_and_every_tick_between_them() -> None:
    log, registry, sent = sent_to(simulate(CITY, 2))
    everything = [event for chunk in simulate(CITY, 2) for event in chunk.rows()]
    ticks = [event for event in with_ticks(everything) if isinstance(event, Control)]
    assert (sent.events, sent.ticks) == (len(everything), len(ticks))
    seen = []
    for partition in range(3):
        found = batch(log, registry, partition)
        assert not found.letters
        rows = list(found.rows())
        assert [event for event in rows if isinstance(event, Control)] == ticks
        assert all(a.at <= b.at for a, b in pairwise(rows))
        seen += [event.event_id for event in rows if not isinstance(event, Control)]
    assert sorted(seen) == sorted(event.event_id for event in everything)


def test_sending_twice_sends_the_same_ids() -> None:
    first, registry, _ = sent_to(simulate(CITY, 1))
    second, _, _ = sent_to(simulate(CITY, 1))
    assert first.records == second.records
    assert batch(first, registry, 0).n


def test_without_ticks_there_are_only_facts() -> None:
    _, _, sent = sent_to(simulate(CITY, 1), ticks=False)
    assert sent.ticks == 0


def test_what_was_sent_is_told_as_it_goes() -> None:
    told: list[dispatch.Sent] = []
    _, _, sent = sent_to(simulate(CITY, 1), told=told.append)
    assert told[-1] == sent
    assert [one.events for one in told] == sorted(one.events for one in told)
    assert sent.first is not None
    assert sent.last is not None
    assert sent.first < sent.last


@settings(max_examples=20)
@given(st.integers(1, 1_000))
def test_a_limit_counts_facts(limit: int) -> None:
    whole = [event for chunk in simulate(CITY, 2) for event in chunk.rows()]
    cut = [event for chunk in dispatch.cut(simulate(CITY), limit=limit) for event in chunk.rows()]
    assert cut == whole[:limit]


@settings(max_examples=20)
@given(st.integers(0, 30))
def test_nothing_of_the_end_or_after_it_is_sent(hours: int) -> None:
    until = datetime(2019, 1, 1, 5, tzinfo=UTC) + timedelta(hours=hours)
    whole = [event for chunk in simulate(CITY, 3) for event in chunk.rows()]
    cut = [event for chunk in dispatch.cut(simulate(CITY), until=until) for event in chunk.rows()]
    assert cut == [event for event in whole if event.at < until]


@settings(max_examples=20)
@given(st.integers(1, 5_000))
def test_smaller_chunks_hold_the_same(size: int) -> None:
    whole = list(next(simulate(CITY)).rows())
    parts = list(dispatch.small(islice(simulate(CITY), 1), size))
    assert [event for chunk in parts for event in chunk.rows()] == whole
    assert all(len(chunk) <= size for chunk in parts)
    assert all(sum(part.n for part in chunk.parts) == len(chunk) for chunk in parts)


def test_at_a_rate_the_first_and_the_last_event_are_as_far_apart_as_asked() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with Producer("fake:9092", FakeRegistry(), outlet=FakeOutlet(FakeLog({TOPIC: 3}))) as producer:
        pace = Pacer(schedule(rate=100.0), clock=lambda: now[0], sleep=sleep)
        dispatch.send(chunks(many(AssignmentAccepted, 500)), producer, pace, ticks=False)
    assert now[0] == pytest.approx(4.99, abs=0.01)


@pytest.mark.parametrize("name", ["flights", "restaurant"])
def test_the_samples_of_the_project_are_read(name: str) -> None:
    first = next(dispatch.source(name))
    assert len(first) == 2_000
    assert (np.diff(first.at) >= 0).all()


def test_a_source_that_is_none_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="expected one of flights, restaurant, simulation, found 'trains'"):
        dispatch.source("trains")
    with pytest.raises(Fault, match="reads no file"):
        dispatch.source("simulation", [tmp_path])
    with pytest.raises(Fault, match=r"nothing\.csv"):
        next(dispatch.source("flights", [tmp_path / "nothing.csv"]))
