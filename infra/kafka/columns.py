"""How are records read and written as columns? By clients with the same settings as all of ours, and no object a record."""

from typing import Any

from infra.kafka.clients import consuming, producing
from infra.librdkafka import Consumer, Producer
from infra.settings import Kafka

AHEAD = {"queued.min.messages": 20_000, "queued.max.messages.kbytes": 16_384}
"""How far each partition is read ahead of us: the client's own 100,000 records cost hundreds of megabytes and win nothing."""


def consumer(kafka: Kafka, *, group: str, **extra: Any) -> Consumer:
    """Return a consumer that tells the ends of partitions, and fails where a record it should read next is gone."""
    return Consumer(consuming(kafka, group) | AHEAD | {"auto.offset.reset": "error", "enable.partition.eof": True} | extra)


def producer(kafka: Kafka, **extra: Any) -> Producer:
    """Return an idempotent producer that never gives a record up."""
    return Producer(producing(kafka) | extra)
