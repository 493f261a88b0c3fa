"""What stands in for a server in a unit test? A log and a registry in memory, with the few verbs that we use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from infra.errors import Unavailable
from infra.kafka import partition_for
from schemas import avro
from schemas.event import Event, Topic


@dataclass
class FakeLog:
    """Topics of partitions of (key, value); `appended_at_ms` is the broker's clock, which stands still."""

    partitions: dict[str, int]
    appended_at_ms: int = 1_700_000_000_000
    records: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]] = field(default_factory=dict)
    committed: dict[tuple[str, str, int], TopicPartition] = field(default_factory=dict)

    def append(self, topic: str, key: bytes | None, value: bytes | None, partition: int = -1) -> None:
        """Append a record where its key or `partition` says. Raises KafkaException for an unknown topic."""
        if topic not in self.partitions:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        chosen = partition_for(key or b"", self.partitions[topic]) if partition < 0 else partition
        self.records.setdefault((topic, chosen), []).append((key, value))

    def read(self, topic: str, partition: int = 0) -> list[tuple[bytes | None, bytes | None]]:
        """Return what lies in a partition."""
        return self.records.get((topic, partition), [])

    def list_topics(self, _topic: str | None = None, _timeout: float = -1) -> Any:
        """Return the topics, as confluent-kafka's clients do."""
        return SimpleNamespace(
            topics={name: SimpleNamespace(partitions=dict.fromkeys(range(n)), error=None) for name, n in self.partitions.items()}
        )


@dataclass
class FakeOutlet:
    """A producer into a FakeLog. room: how many records may wait; `away` holds them back, `refuses` fails them."""

    log: FakeLog
    room: int = 1_000
    away: bool = False
    refuses: KafkaError | None = None
    waiting: list[tuple[str, bytes | None, bytes | None, int, Callable[[Any, Any], None]]] = field(default_factory=list)

    def produce(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int, report: Callable[[Any, Any], None], /
    ) -> None:
        """Queue a record. Raises BufferError if there is no room."""
        if len(self.waiting) >= self.room:
            raise BufferError("Local: Queue full")
        self.waiting.append((topic, value, key, partition, report))

    def poll(self, _timeout: float, /) -> int:
        """Deliver what waits, unless the broker is away."""
        return 0 if self.away else self._deliver()

    def flush(self, timeout: float, /) -> int:
        """Deliver what waits; return what is left."""
        self.poll(timeout)
        return len(self.waiting)

    def _deliver(self) -> int:
        waiting, self.waiting = self.waiting, []
        for topic, value, key, partition, report in waiting:
            if self.refuses is not None:
                report(self.refuses, None)
            else:
                self.log.append(topic, key, value, partition)
        return len(waiting)

    def list_topics(self, topic: str | None, timeout: float, /) -> Any:
        """Return the log's topics."""
        return self.log.list_topics(topic, timeout)

    def __len__(self) -> int:
        """How many records wait."""
        return len(self.waiting)


@dataclass
class FakeConsumer:
    """A reader of one assigned partition of a FakeLog, in a group. fails: what it reports once, behind the next records."""

    log: FakeLog
    group: str
    at: TopicPartition | None = None
    fails: KafkaError | None = None

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Read from here on."""
        (self.at,) = partitions

    def consume(self, num_messages: int, _timeout: float, /) -> list[Message]:
        """Return the next records, then one end-of-partition event."""
        assert self.at is not None
        records = self.log.read(self.at.topic, self.at.partition)
        start = max(self.at.offset, 0)
        found = records[start : start + num_messages]
        if not found:
            end = KafkaError(KafkaError._PARTITION_EOF)
            return [Message(topic=self.at.topic, partition=self.at.partition, offset=start, error=end)]
        self.at = TopicPartition(self.at.topic, self.at.partition, start + len(found))
        failure, self.fails = self.fails, None
        return [
            Message(
                topic=self.at.topic,
                partition=self.at.partition,
                offset=start + i,
                key=key,
                value=value,
                timestamp=(2, self.log.appended_at_ms),
            )
            for i, (key, value) in enumerate(found)
        ] + ([] if failure is None else [Message(error=failure)])

    def committed(self, partitions: list[TopicPartition], _timeout: float = -1) -> list[TopicPartition]:
        """Return what the group committed; a negative offset is nothing."""
        return [self.log.committed.get((self.group, p.topic, p.partition), p) for p in partitions]

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        """Keep the group's position; ours are always waited for."""
        assert not asynchronous
        for offset in offsets:
            self.log.committed[self.group, offset.topic, offset.partition] = offset
        return offsets

    def get_watermark_offsets(self, partition: TopicPartition, _timeout: float = -1) -> tuple[int, int]:
        """Return the first and the next offset."""
        return 0, len(self.log.read(partition.topic, partition.partition))

    def close(self) -> None:
        """Do nothing."""


@dataclass
class FakeRegistry:
    """Schema ids by subject, counted from 1; the same schema has the same id in every subject. `away` makes it unavailable."""

    ids: dict[str, int] = field(default_factory=dict)
    known: dict[int, dict[str, Any]] = field(default_factory=dict)
    away: bool = False

    def register_all(self, subjects: Mapping[str, tuple[Topic, type[Event]]], /) -> dict[str, int]:
        """Register and return the ids by subject."""
        if self.away:
            raise Unavailable("the schema registry is away")
        for subject, (_, event) in subjects.items():
            schema = avro.schema(event)
            same = next((id_ for id_, other in self.known.items() if other == schema), len(self.known) + 1)
            self.known[same] = schema
            self.ids[subject] = same
        return {subject: self.ids[subject] for subject in subjects}

    def schema(self, schema_id: int) -> dict[str, Any] | None:
        """Return the schema of an id, or None."""
        if self.away:
            raise Unavailable("the schema registry is away")
        return self.known.get(schema_id)

    __call__ = schema
