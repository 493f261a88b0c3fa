"""Does every log of facts get every promoted version, in order, whatever happens to the relay?"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from confluent_kafka import KafkaError, TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.delivery import Delivery, Undelivered
from infra.errors import Fault, Unavailable
from infra.settings import Kafka
from producers import ticks
from producers.client import Producer
from producers.models import announce
from schemas import catalogue
from schemas.columns import Reader, Records
from schemas.control import MODEL_VERSIONS, Control, ModelVersionChanged, Stage
from schemas.dispatch import ASSIGNMENTS
from schemas.event import Event, Topic
from schemas.letters import DEAD_LETTERS, DeadLetter
from streams.relay import Relay, relay_once, tick
from tests import bad
from tests.builders import USUAL_AT, build
from tests.fakes import FakeConsumer, FakeLog, FakeOutlet, FakeRegistry

OTHER = Topic("other.facts.v1", key="k", partitions=2, facts=True)
STAGES: tuple[Stage, ...] = ("trained", "shadowing", "promoted", "rolled_back", "obsolete")
MODEL = "dispatch.delay/flights"


class World:
    """A log with model versions and two facts topics, and relays over it."""

    def __init__(self) -> None:
        self.log = FakeLog({MODEL_VERSIONS.name: 1, ASSIGNMENTS.name: 3, OTHER.name: 2, DEAD_LETTERS.name: 1})
        self.registry = FakeRegistry()
        self.ids = self.registry.register_all(catalogue.subjects())
        self.outlet = FakeOutlet(self.log)

    def id_of(self, event: type[Event], topic: Topic) -> int:
        return self.ids[f"{ASSIGNMENTS.name if topic is OTHER else topic.name}-{event.__name__}"]

    def relay(self, *, from_start: bool = False, fails: KafkaError | None = None) -> Relay:
        return Relay(
            source=FakeConsumer(self.log, "relay", fails=fails),
            out=Delivery(Kafka(brokers="fake:9092"), patience_s=0.0, outlet=self.outlet),
            schemas=self.registry,
            ids=self.id_of,
            facts=(ASSIGNMENTS, OTHER),
            from_start=from_start,
        )

    def announce(self, n: int, stage: Stage = "promoted") -> ModelVersionChanged:
        with Producer("fake:9092", self.registry, outlet=FakeOutlet(self.log), events=[ModelVersionChanged]) as producer:
            at = USUAL_AT + timedelta(hours=n)
            return announce(producer, model=MODEL, version=f"v{n}", sha256=f"sha{n}", stage=stage, at=at)

    def controls(self, topic: Topic, partition: int) -> list[Control]:
        raw = [(i, 0, key, value) for i, (key, value) in enumerate(self.log.read(topic.name, partition))]
        batch = Reader(ASSIGNMENTS, self.registry).read(Records.of(ASSIGNMENTS.name, partition, raw))
        assert not batch.letters
        return list(batch.of(Control).rows())

    def everywhere(self) -> list[list[Control]]:
        return [self.controls(ASSIGNMENTS, p) for p in range(3)] + [self.controls(OTHER, p) for p in range(2)]


def now() -> Iterator[float]:
    return (float(n) for n in count())


def once(relay: Relay) -> int:
    return relay_once(relay, clock=now().__next__)


@settings(max_examples=50)
@given(st.lists(st.sampled_from(STAGES), max_size=12))
def test_every_partition_of_every_facts_topic_gets_what_was_promoted_in_order(stages: list[Stage]) -> None:
    world = World()
    changes = [world.announce(n, stage) for n, stage in enumerate(stages)]
    assert once(world.relay()) == len(stages)
    expected = [
        (i + 1, MODEL_VERSIONS.name, "model", MODEL, change.sha256, change.at)
        for i, change in enumerate(changes)
        if change.stage == "promoted"
    ]
    for controls in world.everywhere():
        assert [(c.number, c.series, c.kind, c.name, c.value, c.at) for c in controls] == expected


@settings(max_examples=50)
@given(st.lists(st.booleans(), max_size=8))
def test_a_relay_that_is_started_again_goes_on_where_the_last_one_stopped(stops: list[bool]) -> None:
    world = World()
    relay = world.relay()
    for n, stop in enumerate(stops):
        world.announce(n)
        if stop:
            once(relay)
            relay = world.relay()
    once(relay)
    for controls in world.everywhere():
        assert [c.number for c in controls] == list(range(1, len(stops) + 1))


def test_copying_again_from_the_start_makes_equal_records() -> None:
    world = World()
    for n in range(3):
        world.announce(n)
    once(world.relay())
    once(world.relay(from_start=True))
    for controls in world.everywhere():
        assert controls[:3] == controls[3:]
    once(world.relay())
    assert len(world.controls(ASSIGNMENTS, 0)) == 6


def test_a_relay_without_work_is_at_the_end_at_once() -> None:
    world = World()
    relay = world.relay()
    assert once(relay) == 0
    world.announce(0)
    assert once(relay) == 1
    assert once(relay) == 1
    assert [len(controls) for controls in world.everywhere()] == [1] * 5


def test_the_position_is_kept_only_after_the_copies_are_confirmed() -> None:
    world = World()
    world.announce(0)
    relay = world.relay()
    world.outlet.away = True
    with pytest.raises(Undelivered):
        once(relay)
    assert not world.log.committed
    world.outlet.away = False
    once(relay)
    assert all(c.number == 1 for controls in world.everywhere() for c in controls)
    assert all(controls for controls in world.everywhere())
    assert world.log.committed["relay", MODEL_VERSIONS.name, 0].offset == 1


def test_copies_that_kafka_refuses_are_made_again() -> None:
    world = World()
    world.announce(0)
    relay = world.relay()
    world.outlet.refuses = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(Undelivered):
        once(relay)
    world.outlet.refuses = None
    once(relay)
    assert [[c.number for c in controls] for controls in world.everywhere()] == [[1]] * 5


@pytest.mark.parametrize(
    ("code", "raised"), [(KafkaError._ALL_BROKERS_DOWN, Unavailable), (KafkaError.TOPIC_AUTHORIZATION_FAILED, Fault)]
)
def test_what_came_before_a_broker_went_away_is_not_skipped(code: int, raised: type[Exception]) -> None:
    world = World()
    world.announce(0)
    relay = world.relay(fails=KafkaError(code))
    with pytest.raises(raised):
        once(relay)
    world.announce(1)
    once(relay)
    assert [[c.number for c in controls] for controls in world.everywhere()] == [[1, 2]] * 5


def test_what_is_no_model_version_is_set_aside_and_its_neighbours_are_copied() -> None:
    world = World()
    world.announce(0)
    wrong = list(bad.every(world.ids[f"{MODEL_VERSIONS.name}-ModelVersionChanged"], build(ModelVersionChanged)))
    fitting = [one for one in wrong if one.name in ("truncated", "random bytes", "empty", "null", "unknown schema id", "in 2999")]
    for one in fitting:
        world.log.append(MODEL_VERSIONS.name, one.key, one.value)
    world.announce(1)
    once(world.relay())
    assert [c.number for c in world.controls(ASSIGNMENTS, 2)] == [1, len(fitting) + 2]
    raw = [(i, 0, key, value) for i, (key, value) in enumerate(world.log.read(DEAD_LETTERS.name))]
    letters = list(Reader(DEAD_LETTERS, world.registry).read(Records.of(DEAD_LETTERS.name, 0, raw)).of(DeadLetter).rows())
    assert [letter.reason for letter in letters] == [one.reason for one in fitting]
    assert [letter.origin_offset for letter in letters] == list(range(1, len(fitting) + 1))
    assert [letter.raw_value for letter in letters] == [one.value for one in fitting]


def test_a_topic_that_was_made_anew_is_noticed() -> None:
    world = World()
    world.log.committed["relay", MODEL_VERSIONS.name, 0] = TopicPartition(MODEL_VERSIONS.name, 0, 7)
    with pytest.raises(Fault, match=r"has 0 records, but 7 were copied.*affluent down --wipe"):
        world.relay()


def test_the_hour_is_told_once_and_missed_hours_are_made_up_for_after_a_restart() -> None:
    world = World()
    noon = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    relay = world.relay()
    assert relay.tick(noon + timedelta(minutes=5)) == 1
    assert relay.tick(noon + timedelta(minutes=59)) == 0
    assert relay.tick(noon - timedelta(hours=3)) == 0
    assert relay.tick(noon + timedelta(hours=1)) == 1
    assert world.relay().tick(noon + timedelta(hours=4)) == 3
    for controls in world.everywhere():
        assert [c.at for c in controls] == [noon + timedelta(hours=h) for h in range(5)]


def test_ticks_and_versions_share_the_position() -> None:
    world = World()
    world.announce(0)
    relay = world.relay()
    relay.tick(USUAL_AT)
    once(relay)
    again = world.relay()
    assert once(again) == 1
    assert again.tick(USUAL_AT) == 0
    assert [c.kind for c in world.controls(OTHER, 1)] == ["tick", "model"]


@given(st.integers(262_968, 1_139_544))
def test_live_ticks_are_those_of_an_import(number: int) -> None:
    assert tick(number) == ticks.tick(number)
