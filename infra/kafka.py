"""How do we speak to Kafka? Producers, consumers and topics, always made the same way.

Settings of librdkafka can be overridden by name: `producer(kafka, **{"linger.ms": 0})`. Its log goes to the Python logger
`librdkafka`, never to the terminal.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition, murmur2
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.errors import Fault, Unavailable
from infra.settings import Kafka
from schemas.event import Topic


def _worth_saying(line: logging.LogRecord) -> bool:
    """The choice of gapless delivery is ours: a warning with every producer helps nobody."""
    return "enable.gapless.guarantee is experimental" not in line.getMessage()


LOG = logging.getLogger("librdkafka")
LOG.addHandler(logging.NullHandler())
LOG.addFilter(_worth_saying)

MAX_RECORD_BYTES = 1_048_588
"""What a topic of ours takes: 1 MiB and a record's head."""
RETRY_S = 0.05

_LOCKED_OUT = {
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}


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
    return Producer(
        connection(kafka)
        | {
            "acks": "all",
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
            "message.timeout.ms": 0,
            "partitioner": "murmur2_random",
            "linger.ms": 2,
            "compression.type": "none",
            "allow.auto.create.topics": False,
        }
        | extra
    )


def consumer(kafka: Kafka, *, group: str, **extra: Any) -> Consumer:
    """Return a consumer that starts at the earliest record, commits only when told to and sees no aborted transaction."""
    return Consumer(
        connection(kafka)
        | {
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
        | extra
    )


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
        if isinstance(error, KafkaError) and error.code() in _LOCKED_OUT:
            raise Fault(f"Kafka at {to} does not let us in ({error.str()}): check security, sasl_* and ca_file") from raised
        raise Unavailable(f"Kafka at {to} is away: {error.str() if isinstance(error, KafkaError) else error}") from raised


def admin(kafka: Kafka) -> AdminClient:
    """Return a client that makes and describes topics."""
    return AdminClient(connection(kafka))


def partitions(kafka: Kafka, *, within_s: float = 15.0) -> dict[str, int]:
    """Return how many partitions each existing topic has. Raises Unavailable, or Fault if we are locked out."""
    return _partitions(_client(kafka), kafka, within_s)


def _client(kafka: Kafka) -> tuple[AdminClient, list[KafkaError]]:
    heard: list[KafkaError] = []
    return AdminClient(connection(kafka) | {"error_cb": heard.append}), heard


def _partitions(client: tuple[AdminClient, list[KafkaError]], kafka: Kafka, within_s: float) -> dict[str, int]:
    asked, heard = client
    with speaking(kafka.brokers):
        try:
            topics = asked.list_topics(timeout=within_s).topics
        except KafkaException as raised:
            asked.poll(0)
            # The call only says that time ran out; what the brokers said stands in the callbacks.
            locked = [error for error in heard if error.code() in _LOCKED_OUT]
            raise (KafkaException(locked[0]) if locked else raised) from None
        return {name: len(found.partitions) for name, found in topics.items() if found.error is None}


def _new(topic: Topic, count: int, replication: int) -> NewTopic:
    retention_ms = -1 if topic.retention is None else int(topic.retention.total_seconds() * 1000)
    return NewTopic(
        topic.name,
        num_partitions=count,
        replication_factor=replication,
        config={
            "cleanup.policy": "compact" if topic.compacted else "delete",
            "retention.ms": str(retention_ms),
            # Retention counts from when we heard: an event of 2013 is not old.
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(MAX_RECORD_BYTES),
        },
    )


def _wanted(topic: Topic, count: int | None) -> int:
    return topic.partitions if count is None or topic.partitions == 1 else count


def ensure_topics(
    kafka: Kafka, topics: Iterable[Topic], partitions: int | None = None, *, within_s: float = 30.0
) -> dict[str, int]:
    """Create the topics that are missing and return the number of partitions of each; existing ones are left as they are.

    partitions: instead of the catalogue's and the setting's number, for every topic that may have more than one.
    Raises Fault if an existing topic has another number of partitions, Unavailable if Kafka is away.
    """
    override = kafka.partitions if partitions is None else partitions
    wanted = {topic.name: (topic, _wanted(topic, override)) for topic in topics}
    client = _client(kafka)
    deadline = time.monotonic() + within_s
    found = _partitions(client, kafka, within_s)
    missing = [_new(topic, count, kafka.replication) for name, (topic, count) in wanted.items() if name not in found]
    if missing:
        for future in client[0].create_topics(missing, operation_timeout=within_s).values():
            _created(future, kafka)
    while not all(name in found for name in wanted):
        if time.monotonic() > deadline:
            absent = next(name for name in wanted if name not in found)
            raise Unavailable(f"Kafka at {kafka.brokers} did not show topic {absent} within {within_s:g} s of its creation")
        time.sleep(RETRY_S)
        found = _partitions(client, kafka, within_s)
    for name, (_, count) in wanted.items():
        if found[name] != count:
            raise Fault(
                f"topic {name} has {found[name]} partitions, expected {count}: set AFFLUENT_KAFKA__PARTITIONS={found[name]}, "
                "or delete the topic and let us create it"
            )
    return {name: found[name] for name in wanted}


def _created(future: Any, kafka: Kafka) -> None:
    with speaking(kafka.brokers):
        try:
            future.result()
        except KafkaException as raised:
            error = raised.args[0]
            if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:  # another process was faster
                return
            if error.code() in (KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.POLICY_VIOLATION, KafkaError.INVALID_CONFIG):
                raise Fault(f"Kafka at {kafka.brokers} refused to create a topic: {error.str()}") from raised
            raise


def end_offsets(source: Consumer, topic: str, count: int, *, within_s: float = 15.0) -> list[tuple[int, int]]:
    """Return the first and the next offset of each partition of a topic."""
    return [source.get_watermark_offsets(TopicPartition(topic, p), timeout=within_s) for p in range(count)]
