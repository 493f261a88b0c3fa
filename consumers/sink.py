"""How does a log come to rest? One loop: read a batch, write it, then commit.

While a store is away the loop stands still with the batch in its hands and reads nothing, so memory is bounded; if that takes
longer than Kafka lets a member of a group be silent, the partitions are given away and come back, and the store knows where to go
on.
A batch is what lies ready: one record when it is quiet, thousands under load, where writes are at least PACE_S apart.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from typing import Any

import numpy as np
import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Raw

from consumers.patience import Stopped, patiently
from consumers.stretch import Overtaken, Partition, Store, Stretch, stretch
from infra import kafka
from infra.errors import Fault, Unavailable
from infra.metrics import SinkMetrics
from schemas.columns import Columns, Reader
from schemas.columns.arrays import Bools
from schemas.columns.records import Message
from schemas.event import Event, Topic

LOG = structlog.get_logger()

SETTINGS = {
    "group.protocol": "consumer",
    # What waits unread inside the client, in kilobytes: the bound on memory, with a batch of the same size in our hands.
    "queued.max.messages.kbytes": 16_384,
    # An end may lie behind the marker of a transaction, which is no record: without this we would seem to lag for ever.
    "enable.partition.eof": True,
}
"""What a sink's consumer is made with, beside what all have."""
RECORDS = 10_000
"""Most records in one write."""
PACE_S = 0.02
IDLE_S = 0.2
TELL_S = 1.0
"""How often positions are committed and the lag is shown."""


@dataclass(frozen=True, slots=True)
class Sink:
    """One sentence: what is read, and where it comes to rest.

    where: which events of a class are ours, all by default. holds: the classes in the topic, by default what the catalogue says.
    """

    reads: Topic
    into: Store
    where: Callable[[Columns[Any]], Bools] | None = None
    holds: tuple[type[Event], ...] | None = None


class Loop:
    """Reads what the sentences about one store say, as a member of a consumer group. Lives in one thread."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        consumer: Consumer,
        schemas: Callable[[int], Mapping[str, Any] | None],
        metrics: SinkMetrics,
        stop: Flag,
        drain: bool = False,
    ) -> None:
        """stop: ends the loop after the running write. drain: end by itself at the end of every partition; the consumer must then
        be made with `enable.partition.eof`."""
        stores = {id(sink.into): sink.into for sink in sinks}
        if len(stores) != 1:
            raise ValueError(f"expected sentences about one store, found {len(stores)}")
        (self._store,) = stores.values()
        self._where = {sink.reads.name: sink.where for sink in sinks}
        self._readers = {sink.reads.name: Reader(sink.reads, schemas, holds=sink.holds) for sink in sinks}
        self._consumer, self._metrics, self._stop, self._drain = consumer, metrics, stop, drain
        self._held: list[Raw] = []  # taken from the client, and not to be lost if its next call fails
        self._next: dict[Partition, int | None] = {}
        self._ended: dict[Partition, int] = {}
        self._told_ends: dict[Partition, int] = {}
        self._uncommitted: dict[Partition, int] = {}
        self._wrote_at = self._told_at = float("-inf")
        self._log = LOG.bind(store=self._store.name)

    def run(self) -> None:
        """Read and write until told to stop. Raises Fault."""
        self._consumer.subscribe(list(self._readers), on_assign=self._assigned, on_revoke=self._gone, on_lost=self._gone)
        try:
            while not self._stop.is_set() and not (self._drain and self._next and self._ended.keys() >= set(self._next)):
                read = self._patiently(self._collect)
                if read:
                    self._settle(read)
                self._tell()
        except Stopped:
            self._log.info("stopped while waiting; what was read and not written will be read again")
        finally:
            self._close()

    def _patiently(self, step: Callable[[], Any]) -> Any:
        def away(error: Unavailable, pause: float) -> None:
            self._metrics.waiting.labels(self._store.name).set(1)
            self._log.warning("waiting", why=str(error), again_in_s=pause)

        done = patiently(step, stop=self._stop, away=away)
        self._metrics.waiting.labels(self._store.name).set(0)
        return done

    def _collect(self) -> dict[Partition, list[Message]]:
        """Return what lies ready, by partition: at once when we were idle, else when the pace allows."""
        with kafka.speaking("the brokers"):
            if not self._held and (first := self._consumer.poll(IDLE_S)) is not None:
                self._held.append(first)
            if not self._held:
                return {}
            pause = max(self._wrote_at + PACE_S - time.monotonic(), 0.0)
            messages = [*self._held, *self._consumer.consume(RECORDS - 1, pause)]
            self._held.clear()
        read: dict[Partition, list[Message]] = {}
        for message in messages:
            partition = str(message.topic()), int(message.partition() or 0)
            if (error := message.error()) is not None:
                self._heard(error, partition, message.offset() or 0)
            elif partition in self._next:  # else it was taken from us meanwhile
                self._ended.pop(partition, None)
                read.setdefault(partition, []).append(_plain(message))
        return read

    def _heard(self, error: KafkaError, partition: Partition, offset: int) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._ended[partition] = offset
            return
        with kafka.speaking("the brokers"):
            if error.fatal() or not error.retriable():
                self._log.warning("Kafka", topic=partition[0], partition=partition[1], error=error.str())
            if error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
                raise KafkaException(error)

    def _settle(self, read: dict[Partition, list[Message]]) -> None:
        """Write what was read, however long it takes."""
        waiting: dict[Partition, tuple[int, list[Message]]] = {}
        for partition, messages in read.items():
            known = self._next[partition]
            start = messages[0][0] if known is None else known
            if ahead := [message for message in messages if message[0] >= start]:
                waiting[partition] = start, ahead
        while waiting:
            try:
                ends = self._patiently(lambda: self._write(waiting))
            except Overtaken as overtaken:
                for partition, offset in overtaken.now.items():
                    del waiting[partition]
                    self._go_to(partition, offset)
            else:
                self._next.update(ends)
                self._uncommitted.update(ends)
                return

    def _write(self, waiting: Mapping[Partition, tuple[int, list[Message]]]) -> dict[Partition, int]:
        topics: dict[str, list[tuple[int, int, list[Message]]]] = {}
        for (topic, number), (start, messages) in waiting.items():
            topics.setdefault(topic, []).append((number, start, messages))
        stretches = [self._ours(stretch(self._readers[topic], found)) for topic, found in topics.items()]
        self._wrote_at = time.monotonic()
        self._store.write(stretches)
        self._metrics.write.labels(self._store.name).observe(time.monotonic() - self._wrote_at)
        return {partition: messages[-1][0] + 1 for partition, (_, messages) in waiting.items()}

    def _ours(self, all_: Stretch) -> Stretch:
        where, batch = self._where[all_.topic.name], all_.batch
        if where is None:
            return all_
        others = np.zeros(batch.n, np.bool_)
        for event in batch.holds:
            others[batch.order(event)] = ~where(batch.of(event))
        return all_.without(others)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Start at the store's own offsets."""
        try:
            places = self._patiently(lambda: self._places(partitions))
        except Stopped:
            places = {}
        for each in partitions:
            partition = each.topic, each.partition
            offset = self._next[partition] = places.get(partition)
            each.offset = OFFSET_INVALID if offset is None else offset  # invalid: where the group committed
            if offset is not None:  # the last commit may have been lost with the process
                self._uncommitted[partition] = offset
        consumer.incremental_assign(partitions)
        self._log.info("assigned", partitions=len(partitions))

    def _places(self, partitions: Sequence[TopicPartition]) -> dict[Partition, int]:
        stored = self._store.offsets([(each.topic, each.partition) for each in partitions])
        for (topic, number), offset in (stored or {}).items():
            with kafka.speaking("the brokers"):
                low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=5.0)
            if offset > high:
                raise Fault(
                    f"{topic}[{number}] ends at {high}, but {self._store.name} holds all before {offset}: this is not the topic "
                    "that was read before; give the sink a new database, or let it read everything again (`--again`)"
                )
            if 0 < offset < low:
                self._log.error("deleted by retention before we read it", topic=topic, partition=number, records=low - offset)
        return stored or {}

    def _go_to(self, partition: Partition, offset: int) -> None:
        self._log.warning("overtaken by another sink", topic=partition[0], partition=partition[1], offset=offset)
        self._ended.pop(partition, None)
        if partition in self._next:
            self._next[partition] = offset
            with kafka.speaking("the brokers"):
                self._consumer.seek(TopicPartition(*partition, offset))

    def _gone(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """What is in our hands of these partitions is theirs who read it next."""
        for each in partitions:
            self._next.pop((each.topic, each.partition), None)
            self._ended.pop((each.topic, each.partition), None)
            self._uncommitted.pop((each.topic, each.partition), None)
        self._log.info("gave away", partitions=len(partitions))

    def _tell(self) -> None:
        """Commit positions and show the lag, now and then: the store is right without either."""
        if time.monotonic() < self._told_at + TELL_S:
            return
        self._told_at = time.monotonic()
        lags = dict.fromkeys(self._readers, 0)
        # Ends behind what was written: markers of transactions lie there, which are no records.
        ends = {partition: end for partition, end in self._ended.items() if end > (self._next.get(partition) or 0)}
        self._uncommitted.update({partition: end for partition, end in ends.items() if self._told_ends.get(partition) != end})
        self._told_ends = ends
        try:
            if self._uncommitted:
                self._consumer.commit(offsets=self._positions(), asynchronous=True)
                self._uncommitted.clear()
            for (topic, number), offset in self._next.items():
                _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, number), cached=True)
                lags[topic] += max(high - ends.get((topic, number), offset), 0) if offset is not None else 0
        except KafkaException as error:
            self._log.debug("positions not committed", why=str(error))
        for topic, lag in lags.items():
            self._metrics.lag.labels(topic).set(lag)

    def _positions(self) -> list[TopicPartition]:
        return [TopicPartition(*partition, offset) for partition, offset in self._uncommitted.items()]

    def _close(self) -> None:
        try:
            if self._uncommitted:
                self._consumer.commit(offsets=self._positions(), asynchronous=False)
        except KafkaException as error:
            self._log.info("the last positions were not committed; the store knows them", why=str(error))
        finally:
            self._consumer.close()
            self._store.close()


def _plain(message: Raw) -> Message:
    return int(message.offset() or 0), int(message.timestamp()[1]), message.key(), message.value()
