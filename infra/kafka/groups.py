"""How far has a group come? Its coordinator knows, once it knows itself."""

import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from infra.kafka.clients import speaking

RETRY_S = 0.2
_FINDING = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError._WAIT_COORD,
    KafkaError._TIMED_OUT,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}


def committed(group: Any, places: list[TopicPartition], *, brokers: str, within_s: float = 60.0) -> list[TopicPartition]:
    """Return how far a group has committed each partition; the offset is negative where it has not.

    A new broker takes a while to know which groups it coordinates: it is asked again. Raises Unavailable, or Fault if locked out.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            return list(group.committed(places, 15.0))
        except KafkaException as error:
            if error.args[0].code() not in _FINDING or time.monotonic() > deadline:
                with speaking(brokers):
                    raise
            time.sleep(RETRY_S)
