"""Where do records come from? One librdkafka consumer in a thread of its own, for all agents of an app.

Assignment, revocation and records reach the event loop in the order in which Kafka gave them. The state log says where to start;
the group's committed offsets are for lag displays. Records under way are bounded, so a slow broker does not fill the memory.
"""

import logging
import threading
import time
from typing import Protocol

from confluent_kafka import KafkaError

from infra.errors import Fault
from infra.librdkafka import Consumer, Fetched, Place

LOG = logging.getLogger(__name__)
COMMIT_EVERY_S = 0.5
_TRANSIENT = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._MAX_POLL_EXCEEDED, KafkaError._WAIT_COORD}


class Owner(Protocol):
    """Who the records are for. Called in the source's thread; each call returns when the owner is ready for the next."""

    def take_over(self, places: list[Place]) -> dict[Place, int]:
        """Recover the partitions and return the offset at which each goes on."""

    def give_back(self, places: list[Place]) -> dict[Place, int]:
        """Finish what was begun in these partitions and return how far each has come."""

    def let_go(self, places: list[Place]) -> None:
        """The partitions are already somebody else's: forget them at once."""

    def deliver(self, fetched: Fetched) -> None:
        """Queue records, by partition and in order, and what is known of the ends."""

    def lagging(self, records: dict[str, int]) -> None:
        """How many records of each topic lie beyond what was read."""

    def failed(self, error: BaseException) -> None:
        """The thread died; nothing more will come."""


class Source:
    """The consumer's thread. max_in_flight: records read and not yet committed, over all partitions."""

    def __init__(
        self, consumer: Consumer, topics: list[str], owner: Owner, *, max_fetch: int = 16_000, max_in_flight: int = 131_072
    ) -> None:
        self._consumer, self._topics, self._owner = consumer, topics, owner
        self._max_fetch, self._max_in_flight = max_fetch, max_in_flight
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
        most = min(self._max_in_flight - self._in_flight, self._max_fetch)
        if most <= 0:
            self._room.clear()
            self._room.wait(0.05)
            return
        fetched = self._consumer.fetch(most, 0.1)
        for error in fetched.errors:
            self._judge(error)
        with self._lock:
            self._in_flight += fetched.count
        if fetched.records or fetched.ends:
            self._owner.deliver(fetched)

    def _judge(self, error: KafkaError) -> None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise Fault(
                f"the next record we need is gone from {', '.join(self._topics)} ({error.str()}): retention was faster than we; "
                "records are lost. Keep the topic longer, and decide what to do about the state (docs/decisions)"
            )
        if error.code() == KafkaError.UNRELEASED_INSTANCE_ID:
            raise Fault(
                "AFFLUENT_STREAM__MEMBER: another worker has this name, or one that died had it and its session is not over yet "
                f"({error.str()}): give each worker a name of its own, or start again in a while"
            )
        if error.fatal() or (error.code() not in _TRANSIENT and not error.retriable()):
            raise RuntimeError(f"Kafka ended our consumer: {error.str()}")
        LOG.warning("Kafka is away, waiting: %s", error.str())

    def _commit(self) -> None:
        with self._lock:
            reached, self._reached = self._reached, {}
        if reached:
            self._consumer.commit(reached, wait=False)

    def _lags(self) -> dict[str, int]:
        """Ask the client's own memory, not the broker: how far is each position from the end that the last fetch told?"""
        lags = dict.fromkeys(self._topics, 0)
        for (topic, _), behind in self._consumer.lags().items():
            lags[topic] += behind
        return lags

    def _assigned(self, places: list[Place]) -> None:
        self._consumer.incremental_assign(self._owner.take_over(places))

    def _revoked(self, places: list[Place]) -> None:
        reached = self._owner.give_back(places)
        with self._lock:
            for place in places:
                self._reached.pop(place, None)
        if reached:
            try:
                self._consumer.commit(reached, wait=True)
            except Exception as error:  # noqa: BLE001 - the state log is the commit; this one is for displays
                LOG.warning("the group's offsets were not committed: %s", error)
        self._consumer.incremental_unassign(places)

    def _lost(self, places: list[Place]) -> None:
        self._owner.let_go(places)
        self._consumer.incremental_unassign(places)
