"""How do the programs on confluent-kafka read, write and commit? Outputs are confirmed before their inputs are committed."""

import signal
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from tests.benchmarks.peers.asked import Job

COMMIT_S = 1.0


def _refused(error: KafkaError | None, _message: Message) -> None:
    raise KafkaException(error)  # it rises from the producer's poll or flush, so nothing after it is committed


class Pipe:
    """A consumer and an idempotent producer; about once a second everything sent is awaited and everything read is committed.

    forget: called when partitions are taken away, after the last commit for them.
    """

    def __init__(self, job: Job, forget: Callable[[], None]) -> None:
        self.running, self._pending, self._due, self._forget = True, False, 0.0, forget
        self.producer = Producer({
            "bootstrap.servers": job.brokers,
            "enable.idempotence": True,
            "linger.ms": 5,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
            "delivery.report.only.error": True,  # a report a record would cost more than the record
            "on_delivery": _refused,
        })  # fmt: skip
        self.consumer = Consumer({
            "bootstrap.servers": job.brokers,
            "group.id": job.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 2,  # the default of a second halves what a consumer reads that keeps its queue full
        })  # fmt: skip
        self.consumer.subscribe([job.topic], on_revoke=self._revoked)
        signal.signal(signal.SIGTERM, self._stop)

    def settle(self, *, read: bool, now: bool = False) -> None:
        """Commit if it is time. read: records were read since the last call, and their outputs handed to the producer."""
        self._pending |= read
        if self._pending and (now or time.monotonic() >= self._due):
            self.producer.flush()
            self.consumer.commit(asynchronous=False)
            self._pending, self._due = False, time.monotonic() + COMMIT_S

    def close(self) -> None:
        """Finish what was begun and leave the group."""
        self.settle(read=False, now=True)
        self.consumer.close()

    def _revoked(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self.settle(read=False, now=True)
        self._forget()

    def _stop(self, *_: Any) -> None:
        self.running = False


def value(message: Message) -> bytes:
    """Return a record's bytes; raises KafkaException if it is an error of the client instead."""
    if error := message.error():
        raise KafkaException(error)
    return message.value() or b""
