"""Where do records come from? One librdkafka consumer in a thread of its own, for all agents of an app.

Assignment, revocation and records reach the event loop in the order in which Kafka gave them. The state log says where to start;
the group's committed offsets are for lag displays. Records under way are bounded, so a slow broker does not fill the memory.
"""

import logging
import threading
import time
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

LOG = logging.getLogger(__name__)
COMMIT_EVERY_S = 0.5
_TRANSIENT = {KafkaError._PARTITION_EOF, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._MAX_POLL_EXCEEDED}

Place = tuple[str, int]
"""Topic and partition."""


class Owner(Protocol):
    """Who the records are for. Called in the source's thread; each call returns when the owner is ready for the next."""

    def take_over(self, places: list[Place]) -> dict[Place, int]:
        """Recover the partitions and return the offset at which each goes on."""

    def give_back(self, places: list[Place]) -> dict[Place, int]:
        """Finish what was begun in these partitions and return how far each has come."""

    def let_go(self, places: list[Place]) -> None:
        """The partitions are already somebody else's: forget them at once."""

    def deliver(self, records: dict[Place, list[Message]]) -> None:
        """Queue records, by partition and in order."""

    def lagging(self, records: dict[str, int]) -> None:
        """How many records of each topic lie beyond what was read."""

    def failed(self, error: BaseException) -> None:
        """The thread died; nothing more will come."""


class Source:
    """The consumer's thread. max_in_flight: records read and not yet committed, over all partitions."""

    def __init__(
        self, consumer: Consumer, topics: list[str], owner: Owner, *, max_batch: int = 4000, max_in_flight: int = 65_536
    ) -> None:
        self._consumer, self._topics, self._owner = consumer, topics, owner
        self._max_batch, self._max_in_flight = max_batch, max_in_flight
        self._stop, self._room = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._in_flight = 0
        self._reached: dict[Place, int] = {}
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def start(self) -> None:
        """Join the group."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to finish, commit and leave the group; `join` waits for it."""
        self._stop.set()
        self._room.set()

    def join(self, timeout_s: float) -> bool:
        """Return True once the thread has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def done(self, place: Place, reached: int, count: int) -> None:
        """`count` records are finished; the partition has come to offset `reached`. From any thread."""
        with self._lock:
            self._in_flight -= count
            if reached >= 0:
                self._reached[place] = reached
        self._room.set()

    def _run(self) -> None:
        try:
            self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
            committed_at = time.monotonic()
            while not self._stop.is_set():
                self._read()
                if time.monotonic() - committed_at > COMMIT_EVERY_S:
                    self._commit()
                    self._owner.lagging(self._lags())
                    committed_at = time.monotonic()
            self._consumer.close()
        except BaseException as error:  # noqa: BLE001 - whatever ends this thread must end the process, loudly
            self._owner.failed(error)

    def _read(self) -> None:
        if self._in_flight >= self._max_in_flight:
            self._room.clear()
            self._room.wait(0.05)
            return
        first = self._consumer.poll(0.1)
        if first is None:
            return
        groups: dict[Place, list[Message]] = {}
        count = 0
        for message in (first, *self._consumer.consume(self._max_batch - 1, 0)):
            if (error := message.error()) is not None:
                self._judge(error)
                continue
            groups.setdefault((message.topic() or "", message.partition() or 0), []).append(message)
            count += 1
        with self._lock:
            self._in_flight += count
        if groups:
            self._owner.deliver(groups)

    def _judge(self, error: KafkaError) -> None:
        if error.fatal() or (error.code() not in _TRANSIENT and not error.retriable()):
            raise RuntimeError(f"Kafka ended our consumer: {error.str()}")
        if error.code() != KafkaError._PARTITION_EOF:
            LOG.warning("Kafka is away, waiting: %s", error.str())

    def _commit(self) -> None:
        with self._lock:
            reached, self._reached = self._reached, {}
        if reached:
            self._consumer.commit(offsets=[TopicPartition(t, p, o) for (t, p), o in reached.items()], asynchronous=True)

    def _lags(self) -> dict[str, int]:
        """Ask the client's own memory, not the broker: how far is each position from the end that the last fetch told?"""
        lags = dict.fromkeys(self._topics, 0)
        for place in self._consumer.position(self._consumer.assignment()):
            _, end = self._consumer.get_watermark_offsets(place, cached=True)
            if end >= 0 and place.offset >= 0:
                lags[place.topic] += max(end - place.offset, 0)
        return lags

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        starts = self._owner.take_over([(p.topic, p.partition) for p in places])
        consumer.incremental_assign([TopicPartition(t, p, offset) for (t, p), offset in starts.items()])

    def _revoked(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        ours = [(p.topic, p.partition) for p in places]
        reached = self._owner.give_back(ours)
        with self._lock:
            for place in ours:
                self._reached.pop(place, None)
        if reached:
            try:
                consumer.commit(offsets=[TopicPartition(t, p, o) for (t, p), o in reached.items()], asynchronous=False)
            except Exception as error:  # noqa: BLE001 - the state log is the commit; this one is for displays
                LOG.warning("the group's offsets were not committed: %s", error)
        consumer.incremental_unassign(places)

    def _lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._owner.let_go([(p.topic, p.partition) for p in places])
        consumer.incremental_unassign(places)
