"""Which topics does Kafka have? Those of the catalogue, made when they are missing and never by accident."""

import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, by its documentation
from confluent_kafka.cimpl import NewTopic

from infra.errors import Fault, Unavailable
from infra.kafka.clients import LOCKED_OUT, connection, speaking
from infra.settings import Kafka
from schemas.event import Topic

MAX_RECORD_BYTES = 1_048_588
"""What a topic of ours takes: 1 MiB and a record's head."""
RETRY_S = 0.05
ANSWER_S = 10.0
"""How long a broker may take to answer at all."""


def partitions(kafka: Kafka, *, within_s: float = ANSWER_S) -> dict[str, int]:
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
            locked = [error for error in heard if error.code() in LOCKED_OUT]
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
    found = _partitions(client, kafka, min(within_s, ANSWER_S))
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
    _led(client[0], {name: count for name, (_, count) in wanted.items()}, kafka, deadline)
    return {name: found[name] for name in wanted}


def _led(client: AdminClient, wanted: dict[str, int], kafka: Kafka, deadline: float) -> None:
    """Wait until every partition has a leader that answers: a new topic is shown a moment before that."""
    earliest = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # confluent-kafka left this one without types
    asked = {TopicPartition(name, p): earliest for name, count in wanted.items() for p in range(count)}
    while asked:
        for place, future in client.list_offsets(asked, request_timeout=max(deadline - time.monotonic(), 1.0)).items():
            try:
                future.result()
            except KafkaException as raised:
                if raised.args[0].code() in LOCKED_OUT:  # whoever may only write or read need not ask where a topic ends
                    del asked[place]
                elif time.monotonic() > deadline:
                    with speaking(kafka.brokers):
                        raise
            else:
                del asked[place]
        if asked:
            time.sleep(RETRY_S)


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
    """Return the first and the next offset of each partition of a topic. Raises KafkaException."""
    return [source.get_watermark_offsets(TopicPartition(topic, p), timeout=within_s) for p in range(count)]
