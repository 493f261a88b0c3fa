"""Does what an app publishes reach a real Kafka, once, in order, as real clients and a real registry see it?"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from infra.errors import Fault
from infra.kafka import ensure_topics, partition_for, partitions, producer
from infra.registry import Registry
from infra.settings import Kafka
from infra.stack import StackState, running_stack, status, up
from producers import dispatch
from producers.chunk import Chunk
from producers.client import Producer
from producers.pace import Pacer, schedule
from producers.simulation import City, simulate
from schemas import avro, catalogue
from schemas.columns import IGNORED, Batch
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted, DelayPredicted, WeatherObserved
from schemas.event import Event, Topic
from tests import bad
from tests.builders import build, many
from tests.topics import mark, read


@pytest.fixture(scope="module")
def kafka(stack: StackState) -> Kafka:
    settings = Kafka(brokers=stack.brokers)
    ensure_topics(settings, catalogue.topics().values())
    return settings


@pytest.fixture(scope="module")
def registry(stack: StackState) -> Iterator[Registry]:
    with Registry(stack.registry_url) as client:
        yield client


def pacer() -> Pacer:
    return Pacer(schedule(), clock=time.monotonic, sleep=time.sleep)


def mine(batches: list[Batch], prefix: str) -> list[list[Event]]:
    """Return the events of each partition whose ids begin with the prefix, and the control records."""
    return [
        [event for event in batch.rows() if event.event_id.startswith(prefix) or isinstance(event, Control)] for batch in batches
    ]


def test_topics_are_made_as_the_catalogue_says_and_only_once(kafka: Kafka) -> None:
    expected = {topic.name: topic.partitions for topic in catalogue.topics().values()}
    assert ensure_topics(kafka, catalogue.topics().values()) == expected
    assert expected.items() <= partitions(kafka).items()


def test_a_topic_with_other_partitions_is_a_fault_that_says_what_to_do(kafka: Kafka) -> None:
    topic = Topic("test.producer-narrow.v1", key="k", partitions=2)
    ensure_topics(kafka, [topic])
    with pytest.raises(Fault, match=r"has 2 partitions, expected 5: set AFFLUENT_KAFKA__PARTITIONS=2"):
        ensure_topics(kafka, [topic], 5)


def test_topics_may_be_made_by_several_processes_at_once(kafka: Kafka) -> None:
    topics = [Topic(f"test.producer-race-{i}.v1", key="k", partitions=3) for i in range(5)]
    answers: list[dict[str, int]] = []
    threads = [threading.Thread(target=lambda: answers.append(ensure_topics(kafka, topics))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{topic.name: 3 for topic in topics}] * 4


def test_schemas_may_be_registered_by_several_processes_at_once(stack: StackState) -> None:
    answers: list[dict[str, int]] = []

    def register() -> None:
        with Registry(stack.registry_url) as client:
            answers.append(client.register_all(catalogue.subjects()))

    threads = [threading.Thread(target=register) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert all(answer == answers[0] for answer in answers)


def test_the_registry_refuses_a_schema_that_its_readers_could_not_read(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = Topic("test.registry-rule.v1", key="depot_id")
    subjects: dict[str, tuple[Topic, type[Event]]] = {"test.registry-rule.v1-AssignmentAccepted": (topic, AssignmentAccepted)}
    (known,) = registry.register_all(subjects).values()
    assert registry(known) == avro.schema(AssignmentAccepted)
    assert registry(bad.ABSENT_ID) is None
    schema = avro.schema(AssignmentAccepted)
    schema["fields"] = [*schema["fields"], {"name": "new_without_default", "type": "string"}]
    monkeypatch.setattr(avro, "schema", lambda _: schema)
    with pytest.raises(Fault, match=r"test\.registry-rule\.v1-AssignmentAccepted: .*give a new field a default"):
        registry.register_all(subjects)


def test_an_event_is_read_by_confluents_own_deserializer(kafka: Kafka, registry: Registry, stack: StackState) -> None:
    event = build(AssignmentAccepted, event_id="foreign-reader", depot_id="foreign-depot")
    since = mark(kafka, ASSIGNMENTS)
    with Producer(stack.brokers, stack.registry_url) as client:
        client.send(event)
    partition = partition_for(b"foreign-depot", 12)
    batch = read(kafka, registry, ASSIGNMENTS, since)[partition]
    (at,) = [i for i in range(batch.n) if batch.event_ids[i] == "foreign-reader"]
    # The names of our subjects; the client's default asks the registry for associations, which only Confluent's own answers.
    named = {"subject.name.strategy": topic_record_subject_name_strategy}
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": stack.registry_url, "timeout": 15}), conf=named)
    value = batch.records.values.raw(at)
    read_back = deserialize(value, SerializationContext(ASSIGNMENTS.name, MessageField.VALUE))
    assert AssignmentAccepted.model_validate(read_back) == event
    assert batch.keys[at] == "foreign-depot"


def test_a_key_lies_in_the_partition_that_we_compute(kafka: Kafka, registry: Registry) -> None:
    since = mark(kafka, ASSIGNMENTS)
    with Producer(kafka, registry) as client:
        client.send_many(many(WeatherObserved, 100, event_id=lambda i: f"placed-{i}", depot_id=lambda i: f"plaçed-{i}"))
    seen = 0
    for partition, batch in enumerate(read(kafka, registry, ASSIGNMENTS, since)):
        for event in batch.rows():
            if event.event_id.startswith("placed-"):
                assert partition_for(event.key.encode(), 12) == partition
                seen += 1
    assert seen == 100


def test_a_topic_that_does_not_exist_is_not_made_by_sending(
    kafka: Kafka, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = Topic("test.producer-absent.v1", key="depot_id")
    monkeypatch.setattr(DelayPredicted, "topic", absent)
    monkeypatch.setattr(catalogue, "holds", lambda topic: (DelayPredicted,) if topic == absent else ())
    client = Producer(kafka, registry, events=[])
    with pytest.raises(Fault, match=r"test\.producer-absent\.v1 does not exist"):
        client.send(build(DelayPredicted))
    assert absent.name not in partitions(kafka)


def test_a_simulated_day_lies_in_order_in_every_partition_with_the_hours_between(kafka: Kafka, registry: Registry) -> None:
    city = City(seed=77, orders=500)
    since = mark(kafka, ASSIGNMENTS)
    with Producer(kafka, registry) as client:
        sent = dispatch.send(simulate(city, 1), client, pacer())
    found = mine(read(kafka, registry, ASSIGNMENTS, since), "sim-77-")
    everything = [event for chunk in simulate(city, 1) for event in chunk.rows()]
    assert sent.events == len(everything)
    assert sum(not isinstance(event, Control) for events in found for event in events) == len(everything)
    for events in found:
        hours = [event.number for event in events if isinstance(event, Control) and event.at >= everything[0].at]
        assert len(set(hours)) >= sent.ticks
        facts = [event for event in events if not isinstance(event, Control)]
        assert all(a.at <= b.at for a, b in pairwise(facts))


def test_messages_that_nobody_should_send_lie_between_good_ones_and_only_they_are_set_aside(
    kafka: Kafka, registry: Registry
) -> None:
    since = mark(kafka, ASSIGNMENTS)
    with Producer(kafka, registry) as client:
        schema_id = client.schema_id(AssignmentAccepted)
        good = many(AssignmentAccepted, 17, event_id=lambda i: f"neighbour-{i}", depot_id="neighbours")
        wrong = list(bad.every(schema_id))
        raw = producer(kafka, **bad.LARGE_MESSAGES)
        partition = partition_for(b"neighbours", 12)
        for event, one in zip(good, wrong, strict=False):
            raw.produce(ASSIGNMENTS.name, client.encode(event), event.key.encode(), partition)
            raw.produce(ASSIGNMENTS.name, one.value, one.key, partition)
        raw.flush()
    batch = read(kafka, registry, ASSIGNMENTS, since)[partition]
    reasons = [letter.reason for letter in batch.letters]
    assert reasons == [one.reason for one in wrong]
    kept = [event for event in batch.rows() if event.event_id.startswith("neighbour-")]
    assert kept == good[: len(wrong)]
    assert IGNORED not in batch.kind


def test_a_broker_that_dies_is_waited_for_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """A simulated day is under way when the broker is killed; it comes back on the same port."""
    city = City(seed=78, orders=5_000)
    waits: list[str] = []
    with running_stack(directory=tmp_path / "stack") as stack:
        kafka = Kafka(brokers=stack.brokers)
        ensure_topics(kafka, catalogue.topics().values())
        (pid,) = [server.pid for server in status(stack.directory).servers if server.name == "kafka"]
        assert pid is not None
        again = threading.Thread(target=lambda: up(directory=stack.directory))

        def dying() -> Iterator[Chunk]:
            (whole, *rest) = simulate(city, 1)
            yield whole.take(slice(5_000))
            os.kill(pid, signal.SIGKILL)
            again.start()
            yield whole.take(slice(5_000, None))
            yield from rest

        with Registry(stack.registry_url) as registry, Producer(kafka, registry, patience_s=None, on_wait=waits.append) as client:
            sent = dispatch.send(dying(), client, pacer(), ticks=False)
            again.join()
            found = read(kafka, registry, ASSIGNMENTS)
    expected = [event.event_id for chunk in simulate(city, 1) for event in chunk.rows()]
    ids = [event_id for batch in found for event_id in batch.event_ids]
    assert sent.events == len(expected)
    assert sorted(ids) == sorted(expected)
    for batch in found:
        assert (batch.at[1:] >= batch.at[:-1]).all()
