"""How do we reach Kafka? By producers and consumers that are always made the same way.

Settings of librdkafka can be overridden by name: `producer(kafka, **{"linger.ms": 0})`. Its log goes to the Python logger
`librdkafka`, never to the terminal.
"""

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, murmur2
from confluent_kafka.admin import AdminClient

from infra.errors import Fault, Unavailable
from infra.settings import Kafka

SILENT_S = 60.0
"""How long a line is not repeated."""


class _Sparing(logging.Filter):
    """Lets a line through once a minute, numbers apart: while a broker is away librdkafka says so dozens of times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is new."""
        text = record.getMessage()
        if "enable.gapless.guarantee is experimental" in text:  # the choice is ours: saying it helps nobody
            return False
        kind = re.sub(r"\d+", "0", text)
        if record.created - self._last.get(kind, -math.inf) < SILENT_S:
            return False
        if len(self._last) > 1_000:
            self._last.clear()
        self._last[kind] = record.created
        return True


LOG = logging.getLogger("librdkafka")
LOG.addHandler(logging.NullHandler())
LOG.addFilter(_Sparing())

LOCKED_OUT = {
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
"""Answers that waiting does not change: a person must."""


def connection(kafka: Kafka) -> dict[str, Any]:
    """Return what every client needs to reach the brokers. Raises Fault if no brokers are named."""
    if not kafka.brokers:
        raise Fault("no Kafka brokers are known: run `affluent up`, or set AFFLUENT_KAFKA__BROKERS to host:port")
    named = {
        "bootstrap.servers": kafka.brokers,
        "security.protocol": kafka.security,
        "sasl.mechanism": kafka.sasl_mechanism,
        "sasl.username": kafka.sasl_username,
        "sasl.password": kafka.sasl_password,
        "ssl.ca.location": kafka.ca_file,
    }
    # Brokers on this machine come back within a second: librdkafka's back-off of up to 10 s is for clusters far away.
    return {k: v for k, v in named.items() if v} | {"logger": LOG, "reconnect.backoff.max.ms": 2000}


def producer(kafka: Kafka, **extra: Any) -> Producer:
    """Return an idempotent producer that never gives a record up: only a watchdog of ours decides that the broker is away.

    With a finite message timeout the last record of a partition can be delivered while earlier ones fail, so one report
    could not confirm those before it.
    """
    return Producer(producing(kafka) | extra)


def producing(kafka: Kafka) -> dict[str, Any]:
    """Return the settings of every producer of ours. Raises Fault if no brokers are named."""
    return connection(kafka) | {
        "acks": "all",
        "enable.idempotence": True,
        "enable.gapless.guarantee": True,
        "message.timeout.ms": 0,
        "partitioner": "murmur2_random",
        "linger.ms": 2,
        "compression.type": "none",
        "allow.auto.create.topics": False,
    }


def consumer(kafka: Kafka, *, group: str, **extra: Any) -> Consumer:
    """Return a consumer that starts at the earliest record, commits only when told to and sees no aborted transaction."""
    return Consumer(consuming(kafka, group) | extra)


def consuming(kafka: Kafka, group: str) -> dict[str, Any]:
    """Return the settings of every consumer of ours. Raises Fault if no brokers are named."""
    return connection(kafka) | {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 100,
        # librdkafka's default of one second halves the throughput of a consumer that keeps its queue full.
        "fetch.queue.backoff.ms": 2,
        "allow.auto.create.topics": False,
    }


def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition of a key, as the Java client and our producers choose it.

    >>> partition_for(b"d1", 12)
    1
    """
    return murmur2(key, partitions)


@contextmanager
def speaking(to: str) -> Iterator[None]:
    """Turn what Kafka answers into our two errors: Fault if we are locked out, else Unavailable."""
    try:
        yield
    except KafkaException as raised:
        error = raised.args[0]
        if isinstance(error, KafkaError) and error.code() in LOCKED_OUT:
            raise Fault(f"Kafka at {to} does not let us in ({error.str()}): check security, sasl_* and ca_file") from raised
        raise Unavailable(f"Kafka at {to} is away: {error.str() if isinstance(error, KafkaError) else error}") from raised


def admin(kafka: Kafka) -> AdminClient:
    """Return a client that makes and describes topics."""
    return AdminClient(connection(kafka))
