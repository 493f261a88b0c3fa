"""What lies in a topic of a real broker? Read whole, or since a mark, without a group."""

from dataclasses import dataclass

from confluent_kafka import KafkaError, TopicPartition

from infra.kafka import consumer, end_offsets, partitions
from infra.registry import Registry
from infra.settings import Kafka
from schemas.columns import Batch, Reader, Records
from schemas.event import Topic


@dataclass(frozen=True)
class Mark:
    """The next offset of each partition at some moment."""

    ends: tuple[int, ...]


def mark(kafka: Kafka, topic: Topic) -> Mark:
    """Return where a topic ends now."""
    source = consumer(kafka, group="tests-nobody")
    try:
        return Mark(tuple(end for _, end in end_offsets(source, topic.name, partitions(kafka)[topic.name])))
    finally:
        source.close()


def read(kafka: Kafka, registry: Registry, topic: Topic, since: Mark | None = None) -> list[Batch]:
    """Return one batch for each partition: everything since the mark, up to now."""
    source = consumer(kafka, group="tests-nobody", **{"enable.partition.eof": True})
    try:
        bounds = end_offsets(source, topic.name, partitions(kafka)[topic.name])
        found = []
        for partition, (first, end) in enumerate(bounds):
            start = first if since is None else since.ends[partition]
            source.assign([TopicPartition(topic.name, partition, start)])
            raw = []
            while start < end:
                for message in source.consume(10_000, 0.1):
                    if (error := message.error()) is not None:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        start = max(start, message.offset() or 0)  # an end behind the marker of a transaction
                        continue
                    raw.append((message.offset() or 0, message.timestamp()[1], message.key(), message.value()))
                    start = raw[-1][0] + 1
            found.append(Reader(topic, registry).read(Records.of(topic.name, partition, raw)))
        return found
    finally:
        source.close()
