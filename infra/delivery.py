"""When has Kafka taken a record for certain? When nothing is left to confirm and nothing was refused.

The queue of the client is bounded: `put` waits while it is full. A broker that is away is waited for; how long is the caller's
choice, for only he knows whether anybody waits for him.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException

from infra.errors import Fault, Unavailable
from infra.kafka import producer, speaking
from infra.settings import Kafka

QUEUE_BYTES = 64 * 1024 * 1024
QUEUE_RECORDS = 200_000
"""What waits for the broker at most."""
TELL_AFTER_S = 2.0
_LOOK_AFTER = 1_000
"""Records between two looks at what the broker reported."""


class Undelivered(Unavailable):
    """Kafka did not confirm some records; it may still hold them. Sending them again is safe: a repeated event id is ignored."""

    def __init__(self, count: int, why: str) -> None:
        super().__init__(f"{count} events were not confirmed by Kafka: {why}")
        self.count = count


class Outlet(Protocol):
    """What we need of confluent-kafka's producer."""

    def produce(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int, report: Callable[[Any, Any], None], /
    ) -> None:
        """Queue a record. Raises BufferError if the queue is full."""

    def poll(self, timeout: float, /) -> int:
        """Hear what the broker reported."""

    def flush(self, timeout: float, /) -> int:
        """Wait until the queue is empty; return what is left in it."""

    def list_topics(self, topic: str | None, timeout: float, /) -> Any:
        """Return the broker's topics."""

    def __len__(self) -> int:
        """How many records wait."""


class Delivery:
    """Records on their way to Kafka. Not for several threads at once.

    patience_s: how long to wait for a broker that confirms nothing, None for ever. on_wait: called with the reason, once, when
    waiting begins to be long.
    """

    def __init__(
        self,
        kafka: Kafka,
        *,
        patience_s: float | None = 60.0,
        on_wait: Callable[[str], None] = lambda _: None,
        outlet: Outlet | None = None,
    ) -> None:
        self.brokers = kafka.brokers
        self.sent = 0
        self._patience_s = patience_s
        self._on_wait = on_wait
        self._failed = 0
        self._since_look = 0
        self._why = ""
        self._said = ""
        self._partitions: dict[str, int] = {}
        self._out: Outlet = self._connect(kafka) if outlet is None else outlet

    def _connect(self, kafka: Kafka) -> Outlet:
        return producer(
            kafka,
            **{
                "linger.ms": 5,
                "queue.buffering.max.kbytes": QUEUE_BYTES // 1024,
                "queue.buffering.max.messages": QUEUE_RECORDS,
                "delivery.report.only.error": True,
                "error_cb": self._heard,
            },
        )

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has. Raises Fault if it does not exist: topics are never created by accident."""
        if topic not in self._partitions:
            with speaking(self.brokers):
                found = self._out.list_topics(None, 15.0).topics
            self._partitions.update({name: len(one.partitions) for name, one in found.items() if one.error is None})
        if topic not in self._partitions:
            raise Fault(f"topic {topic} does not exist at {self.brokers}: create it with `affluent topics create`")
        return self._partitions[topic]

    def put(self, topic: str, value: bytes | None, key: bytes | None, partition: int = -1) -> None:
        """Queue a record, waiting while the queue is full. partition: -1 for the key's own. Raises Undelivered."""
        if not self._offer(topic, value, key, partition):
            self._wait(lambda: self._offer(topic, value, key, partition), self._patience_s)
        self.sent += 1
        self._since_look += 1
        if self._since_look >= _LOOK_AFTER:
            self._since_look = 0
            self._out.poll(0)

    def put_in_all(self, topic: str, value: bytes, key: bytes) -> int:
        """Queue a record for every partition of a topic and return how many there are. Raises Undelivered."""
        count = self.partitions(topic)
        for partition in range(count):
            self.put(topic, value, key, partition)
        return count

    def flush(self, within_s: float | None = None) -> None:
        """Wait until Kafka has confirmed everything. within_s: at most, and at most `patience_s`. Raises Undelivered."""
        given = [s for s in (within_s, self._patience_s) if s is not None]
        self._wait(lambda: self._out.flush(0.2) == 0, min(given, default=None))
        if self._failed:
            failed, self._failed = self._failed, 0
            raise Undelivered(failed, self._why)

    @property
    def pending(self) -> int:
        """How many records wait for the broker's confirmation."""
        return len(self._out)

    def _offer(self, topic: str, value: bytes | None, key: bytes | None, partition: int) -> bool:
        """Queue a record; False, after a moment, if the queue is full."""
        try:
            self._out.produce(topic, value, key, partition, self._report)
        except BufferError:
            self._out.poll(0.1)
            return False
        except KafkaException as raised:
            error = raised.args[0]
            if isinstance(error, KafkaError) and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise Fault(f"a record for {topic} has {len(value or b'')} bytes, more than Kafka takes") from raised
            raise Undelivered(len(self._out) + 1, self._why or _text(raised)) from raised
        return True

    def _wait(self, done: Callable[[], bool], patience_s: float | None) -> None:
        """Wait until done; patience runs out when the queue has not become shorter for so long."""
        shortest, since = len(self._out), time.monotonic()
        told = False
        while not done():
            now = time.monotonic()
            if len(self._out) < shortest:
                shortest, since, told = len(self._out), now, False
            if now - since > TELL_AFTER_S and not told:
                told = True
                self._on_wait(self._said or "no answer")
            if patience_s is not None and now - since > patience_s:
                silent = f"{self.brokers} gave no confirmation for {patience_s:g} s ({self._said or 'no answer'})"
                raise Undelivered(len(self._out) + self._failed, silent)

    def _report(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._failed += 1
            self._why = self._why or error.str()

    def _heard(self, error: KafkaError) -> None:
        self._said = error.str()


def _text(raised: KafkaException) -> str:
    first = raised.args[0]
    return str(first.str()) if isinstance(first, KafkaError) else str(raised)
