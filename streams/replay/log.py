"""What does a replay read from? A log: topics of partitions, read by offset, without a group, and never written."""

from collections.abc import Callable, Iterator
from typing import Protocol

from infra.kafka import speaking
from infra.librdkafka import Consumer
from schemas.columns import Records
from streams.engine.reading import bounds, stretch


class Log(Protocol):
    """Where the records lie. Stretches of different topics may be read by turns; of one topic, one at a time."""

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, 0 if there is none of that name."""

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first and the next offset of a partition, as of now."""

    def stretch(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Records]:
        """Yield the records from offset start to before stop, in order."""


class KafkaLog:
    """Kafka, with one consumer a topic. Everything raises Unavailable if it is away, Fault if it does not let us in."""

    def __init__(self, connect: Callable[[], Consumer], counts: dict[str, int], *, brokers: str) -> None:
        """connect: makes an unsubscribed consumer. counts: the partitions of each topic. brokers: for messages."""
        self._connect, self._counts, self._brokers = connect, counts, brokers
        self._consumers: dict[str, Consumer] = {}

    def close(self) -> None:
        """Close the connections."""
        for consumer in self._consumers.values():
            consumer.close()
        self._consumers.clear()

    def _consumer(self, topic: str) -> Consumer:
        if topic not in self._consumers:
            self._consumers[topic] = self._connect()
        return self._consumers[topic]

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, 0 if there is none of that name."""
        return self._counts.get(topic, 0)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first and the next offset of a partition, as of now."""
        with speaking(self._brokers):
            return bounds(self._consumer(topic), topic, partition)

    def stretch(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Records]:
        """Yield the records from offset start to before stop, in order."""
        with speaking(self._brokers):
            yield from stretch(self._consumer(topic), topic, partition, start, stop)
