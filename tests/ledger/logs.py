"""What lies in a topic? Read whole by a plain client to every partition's end: nothing of the engine's takes part."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from confluent_kafka import OFFSET_BEGINNING, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # public, by its documentation

from infra.kafka import admin, consumer
from infra.settings import Kafka

T = TypeVar("T")
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Record:
    """One record. appended_at: ms, by the broker."""

    offset: int
    appended_at: int
    key: bytes | None
    value: bytes | None


def read(brokers: str, topic: str, partitions: int) -> list[list[Record]]:
    """Return every committed record of every partition, in order, up to now."""
    source = consumer(
        Kafka(brokers=brokers), group="ledger-nobody", **{"enable.partition.eof": True, "fetch.message.max.bytes": 16 << 20}
    )
    found: list[list[Record]] = [[] for _ in range(partitions)]
    try:
        source.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
        deadline, left = time.monotonic() + PATIENCE_S, set(range(partitions))
        while left:
            assert time.monotonic() < deadline, f"{topic}: partitions {sorted(left)} do not come to their end"
            for message in source.consume(10_000, 0.1):
                place, error = message.partition() or 0, message.error()
                if error is None:
                    found[place].append(Record(message.offset() or 0, message.timestamp()[1], message.key(), message.value()))
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(place)
                else:
                    assert error.retriable() or error.code() == KafkaError._TRANSPORT, f"{topic}[{place}]: {error.str()}"
    finally:
        source.close()
    return found


@cache
def _admin(brokers: str) -> Any:
    return admin(Kafka(brokers=brokers))


def _insisting(ask: Callable[[], T]) -> T:
    """Return an answer; a broker that has just come back is asked again until it leads and coordinates."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            _admin.cache_clear()  # it may go on asking with what it knew of the broker before
            time.sleep(0.2)


def ends(brokers: str, topic: str, partitions: int) -> list[int]:
    """Return the next offset of each partition."""
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # confluent-kafka left this one without types
    asked = {TopicPartition(topic, p): latest for p in range(partitions)}

    def ask() -> list[int]:
        found = _admin(brokers).list_offsets(asked, request_timeout=15.0)
        return [int(found[place].result().offset) for place in asked]

    return _insisting(ask)


def lags(brokers: str, group: str, topic: str, partitions: int) -> list[int]:
    """Return how many offsets lie between what a group has committed and the end, by partition."""
    places = [TopicPartition(topic, p) for p in range(partitions)]

    def ask() -> list[int]:
        (future,) = _admin(brokers).list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)]).values()
        found = {place.partition: place.offset for place in future.result().topic_partitions}
        return [end - max(found.get(p, 0), 0) for p, end in enumerate(ends(brokers, topic, partitions))]

    return _insisting(ask)


def holders(brokers: str, group: str) -> int:
    """Return how many members of a group hold partitions."""

    def ask() -> int:
        (future,) = _admin(brokers).describe_consumer_groups([group], request_timeout=15.0).values()
        return sum(bool(member.assignment.topic_partitions) for member in future.result().members)

    return _insisting(ask)
