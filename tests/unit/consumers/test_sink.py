"""What must the loop never do, whatever the store and Kafka do to it?"""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from consumers.sink import Loop, Sink
from consumers.stretch import Overtaken, Partition
from infra.errors import Fault, Unavailable
from infra.metrics import SinkMetrics
from schemas import avro
from schemas.columns import Columns, encode
from schemas.dispatch import DelayPredicted
from schemas.event import Topic
from schemas.letters import DeadLetter
from tests.builders import build, many
from tests.unit.consumers.fakes import FakeSource, FakeStore, Patient, broken

DELAYS = Topic("dispatch.loop-test.v1", key="depot_id")
ZERO, ONE = (DELAYS.name, 0), (DELAYS.name, 1)


def log(first: int, n: int) -> list[tuple[bytes | None, bytes | None]]:
    """Return n predictions as they lie in Kafka, with the ids p<first>, ..."""
    said = many(DelayPredicted, n, event_id=lambda i: f"p{first + i}")
    return [(event.key.encode(), encode(Columns.of([event]), 1).raw(0)) for event in said]


def ids(first: int, n: int) -> list[str]:
    """Return the ids of such a log."""
    return [f"p{first + i}" for i in range(n)]


class Scene:
    """A loop with its fakes."""

    def __init__(self, logs: dict[Partition, list[tuple[bytes | None, bytes | None]]]) -> None:
        """logs: what lies in each partition."""
        self.source = FakeSource(logs)
        self.store = FakeStore(self.source)
        self.stop = Patient()
        self.metrics = SinkMetrics(CollectorRegistry())

    def run(self) -> None:
        """Run the loop to the end of the logs."""
        Loop(
            [Sink(reads=DELAYS, into=self.store, holds=(DelayPredicted,))],
            consumer=self.source,  # type: ignore[arg-type]  # a fake
            schemas=lambda _id: avro.schema(DelayPredicted),
            metrics=self.metrics,
            stop=self.stop,
            drain=True,
        ).run()

    def events(self, *what: str) -> list[Any]:
        """Return what happened, of these kinds."""
        return [told for kind, told in self.source.happened if kind in what]


def test_what_is_committed_was_written_before() -> None:
    scene = Scene({ZERO: log(0, 5)})

    scene.run()

    kinds = [kind for kind, told in scene.source.happened if told == {ZERO: (0, 5)} or told == {ZERO: 5}]
    assert kinds == ["write", "commit"]


def test_reading_starts_where_the_store_is_and_not_where_the_group_committed() -> None:
    scene = Scene({ZERO: log(0, 5)})
    scene.store.at[ZERO] = 3

    scene.run()

    assert scene.events("assign") == [{ZERO: 3}]
    assert scene.store.ids == ids(3, 2)


def test_a_position_that_was_not_committed_before_a_crash_is_committed_after_it() -> None:
    scene = Scene({ZERO: log(0, 5)})
    scene.store.at[ZERO] = 5

    scene.run()

    assert scene.events("commit") == [{ZERO: 5}]


def test_a_store_that_is_away_is_given_the_same_batch_again_with_growing_pauses() -> None:
    scene = Scene({ZERO: log(0, 5)})
    scene.store.fails = [Unavailable("away")] * 4

    scene.run()

    assert scene.events("failed", "write") == [{ZERO: (0, 5)}] * 5
    assert scene.store.ids == ids(0, 5)
    assert scene.stop.waited == [0.1, 0.2, 0.4, 0.8]


def test_nothing_is_read_while_the_store_is_away() -> None:
    scene = Scene({ZERO: log(0, 5)})
    scene.store.fails = [Unavailable("away")] * 1_000

    scene.run()

    assert scene.stop.is_set()
    assert scene.source.position[ZERO] == 5
    assert scene.events("write", "commit", "seek") == [{ZERO: 0}]


def test_an_overtaken_partition_goes_on_where_the_other_sink_is_and_its_neighbour_is_written() -> None:
    scene = Scene({ZERO: log(0, 5), ONE: log(10, 5)})
    scene.store.fails = [Overtaken({ZERO: 4})]

    scene.run()

    assert scene.events("seek") == [(*ZERO, 4)]
    assert sorted(scene.store.ids) == sorted([*ids(4, 1), *ids(10, 5)])


def test_what_is_in_our_hands_of_a_partition_that_was_taken_away_is_not_written() -> None:
    scene = Scene({ZERO: log(0, 5), ONE: log(10, 5)})
    scene.source.during_consume = [lambda source: source.take_away(ZERO)]

    scene.run()

    assert scene.store.ids == ids(10, 5)


def test_a_client_that_fails_between_two_calls_loses_no_message() -> None:
    scene = Scene({ZERO: log(0, 5)})
    scene.source.during_consume = [broken]

    scene.run()

    assert scene.store.ids == ids(0, 5)


def test_a_topic_that_ends_before_what_was_read_is_refused_by_name() -> None:
    scene = Scene({ZERO: log(0, 5)})
    scene.store.at[ZERO] = 9

    with pytest.raises(Fault, match=r"dispatch\.loop-test\.v1\[0\] ends at 5"):
        scene.run()

    assert scene.events("write") == []


def test_a_record_that_cannot_be_read_moves_the_offset_like_any_other() -> None:
    scene = Scene({ZERO: [*log(0, 1), (b"key", b"noise"), (None, None), *log(1, 1)]})

    scene.run()

    assert scene.store.ids == ids(0, 2)
    assert scene.store.at == {ZERO: 4}


def test_the_lag_is_what_was_appended_and_not_written() -> None:
    scene = Scene({ZERO: log(0, 5)})

    scene.run()

    assert scene.metrics.lag.labels(DELAYS.name)._value.get() == 0


def test_markers_of_transactions_at_the_end_are_no_lag_and_are_committed() -> None:
    scene = Scene({ZERO: log(0, 5), ONE: []})
    scene.source.markers = 2

    scene.run()

    assert scene.metrics.lag.labels(DELAYS.name)._value.get() == 0
    assert scene.store.at == {ZERO: 5}
    assert {partition: offset for each in scene.events("commit") for partition, offset in each.items()} == {ZERO: 7, ONE: 2}


def test_events_that_a_sentence_leaves_to_others_are_not_written() -> None:
    letters = Topic("loop-letters.v1", key="origin_topic")
    said = [build(DeadLetter, event_id=f"l{i}", origin_topic=name) for i, name in enumerate(["dispatch.a.v1", "ledger.b.v1"])]
    scene = Scene({(letters.name, 0): [(each.key.encode(), encode(Columns.of([each]), 1).raw(0)) for each in said]})
    sentence = Sink(
        reads=letters,
        into=scene.store,
        holds=(DeadLetter,),
        where=lambda columns: columns["origin_topic"].length == len("dispatch.a.v1"),
    )

    Loop(
        [sentence],
        consumer=scene.source,  # type: ignore[arg-type]  # a fake
        schemas=lambda _id: avro.schema(DeadLetter),
        metrics=scene.metrics,
        stop=scene.stop,
        drain=True,
    ).run()

    assert scene.store.ids == ["l0"]
    assert scene.store.at == {(letters.name, 0): 2}


def test_a_loop_takes_sentences_about_one_store_only() -> None:
    scene, other = Scene({}), Scene({})

    with pytest.raises(ValueError, match="one store"):
        Loop(
            [Sink(reads=DELAYS, into=scene.store, holds=()), Sink(reads=DELAYS, into=other.store, holds=())],
            consumer=scene.source,  # type: ignore[arg-type]  # a fake
            schemas=lambda _id: None,
            metrics=scene.metrics,
            stop=scene.stop,
        )
