"""What lies in a topic? Read whole by a plain client to every partition's end: nothing of the engine's takes part."""

import time
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from infra.kafka import committed, consumer
from infra.settings import Kafka

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
        source.assign([TopicPartition(topic, p, _bounds(source, topic, p)[0]) for p in range(partitions)])
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


def _bounds(source: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """Return the first and the next offset; a broker that has just come back is asked again until it leads its partitions."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return source.get_watermark_offsets(TopicPartition(topic, partition), timeout=15.0)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def ends(brokers: str, topic: str, partitions: int) -> list[int]:
    """Return the next offset of each partition."""
    source = consumer(Kafka(brokers=brokers), group="ledger-nobody")
    try:
        return [_bounds(source, topic, p)[1] for p in range(partitions)]
    finally:
        source.close()


def lags(brokers: str, group: str, topic: str, partitions: int) -> list[int]:
    """Return how many offsets lie between what a group has committed and the end, by partition."""
    source = consumer(Kafka(brokers=brokers), group=group)
    try:
        places = committed(source, [TopicPartition(topic, p) for p in range(partitions)], brokers=brokers)
        return [_bounds(source, topic, place.partition)[1] - max(place.offset, 0) for place in places]
    finally:
        source.close()
