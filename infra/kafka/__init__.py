"""How do we speak to Kafka? Clients and topics, always made the same way."""

from infra.kafka.clients import admin, connection, consumer, partition_for, producer, speaking
from infra.kafka.groups import committed, patiently
from infra.kafka.topics import end_offsets, ensure_topics, partitions

__all__ = [
    "admin", "committed", "connection", "consumer", "end_offsets", "ensure_topics", "partition_for", "partitions", "patiently",
    "producer", "speaking",
]  # fmt: skip
