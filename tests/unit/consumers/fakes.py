"""What stands in for Kafka and a store, so that the loop can be watched? One assigned log in memory, and a store that remembers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from consumers.stretch import Overtaken, Partition, Stretch
from infra.errors import Unavailable


class Patient(Flag):
    """A flag whose waits take no time and are remembered; it sets itself after so many waits."""

    def __init__(self, waits: int = 100) -> None:
        """waits: how often it may be waited for."""
        super().__init__()
        self.left, self.waited = waits, list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        """Return whether it is set, at once."""
        self.waited.append(timeout or 0.0)
        self.left -= 1
        if self.left <= 0:
            self.set()
        return self.is_set()


@dataclass
class FakeSource:
    """A member of a group that is assigned every partition at its first poll. happened: what it was told, in order."""

    logs: dict[Partition, list[tuple[bytes | None, bytes | None]]]
    happened: list[tuple[str, Any]] = field(default_factory=list)
    position: dict[Partition, int] = field(default_factory=dict)
    during_consume: list[Callable[["FakeSource"], None]] = field(default_factory=list)
    callbacks: dict[str, Any] = field(default_factory=dict)
    ended: set[Partition] = field(default_factory=set)
    markers: int = 0
    """Markers of transactions behind the last record of each partition."""

    def subscribe(self, _topics: list[str], **callbacks: Any) -> None:
        """Keep the callbacks."""
        self.callbacks = callbacks

    def poll(self, _timeout: float) -> Message | None:
        """Assign at first; then return the next message, or one end-of-partition event for each partition."""
        if not self.position and "assign" not in [what for what, _ in self.happened]:
            self.callbacks["on_assign"](self, [TopicPartition(*partition) for partition in self.logs])
        found = self._take(1)
        return found[0] if found else None

    def consume(self, count: int, _timeout: float) -> list[Message]:
        """Return up to so many messages. What stands in `during_consume` happens first, once."""
        if self.during_consume:
            self.during_consume.pop(0)(self)
        return self._take(count)

    def _take(self, count: int) -> list[Message]:
        found: list[Message] = []
        for partition, records in self.logs.items():
            while partition in self.position and len(found) < count and self.position[partition] < len(records):
                offset = self.position[partition]
                key, value = records[offset]
                found.append(
                    Message(topic=partition[0], partition=partition[1], offset=offset, key=key, value=value, timestamp=(2, 1_000))
                )
                self.position[partition] += 1
            done = partition in self.position and self.position[partition] >= len(records) and partition not in self.ended
            if done and len(found) < count:
                self.ended.add(partition)
                end, error = len(records) + self.markers, KafkaError(KafkaError._PARTITION_EOF)
                found.append(Message(topic=partition[0], partition=partition[1], offset=end, error=error))
        return found

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """Read these too."""
        self.happened.append(("assign", {(p.topic, p.partition): p.offset for p in partitions}))
        self.position |= {(p.topic, p.partition): max(p.offset, 0) for p in partitions}

    def take_away(self, partition: Partition) -> None:
        """Give a partition to somebody else."""
        del self.position[partition]
        self.callbacks["on_revoke"](self, [TopicPartition(*partition)])

    def seek(self, partition: TopicPartition) -> None:
        """Go to an offset."""
        self.happened.append(("seek", (partition.topic, partition.partition, partition.offset)))
        self.position[partition.topic, partition.partition] = partition.offset
        self.ended.discard((partition.topic, partition.partition))

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        """Remember what was committed."""
        assert asynchronous or offsets
        self.happened.append(("commit", {(p.topic, p.partition): p.offset for p in offsets}))

    def get_watermark_offsets(self, partition: TopicPartition, **_how: Any) -> tuple[int, int]:
        """Return the first and the next offset."""
        return 0, len(self.logs[partition.topic, partition.partition]) + self.markers

    def close(self) -> None:
        """Say so."""
        self.happened.append(("close", None))


@dataclass
class FakeStore:
    """A store with offsets of its own. fails: what the next writes raise, None for none."""

    source: FakeSource
    at: dict[Partition, int] = field(default_factory=dict)
    fails: list[Unavailable | Overtaken | None] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    name: str = "fake"

    def offsets(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Return where to go on."""
        return {partition: self.at.get(partition, 0) for partition in partitions}

    def write(self, stretches: Sequence[Stretch]) -> None:
        """Keep the ids, unless it fails."""
        places = {(each.topic.name, span.partition): (span.start, span.end) for each in stretches for span in each.spans}
        if self.fails and (failure := self.fails.pop(0)) is not None:
            self.source.happened.append(("failed", places))
            raise failure
        self.ids += [event.event_id for each in stretches for event in each.batch.rows()]
        self.at |= {partition: end for partition, (_, end) in places.items()}
        self.source.happened.append(("write", places))

    def close(self) -> None:
        """Do nothing."""


def broken(_source: FakeSource) -> None:
    """Fail as the client does when its broker connection goes."""
    raise KafkaException(KafkaError(KafkaError._TRANSPORT))
