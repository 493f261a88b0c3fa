"""How far has a group come? Its coordinator knows, once it knows itself."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

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
T = TypeVar("T")


def committed(group: Any, places: list[TopicPartition], *, brokers: str, within_s: float = 60.0) -> list[TopicPartition]:
    """Return how far a group has committed each partition; the offset is negative where it has not.

    Raises Unavailable, or Fault if locked out.
    """
    return patiently(lambda: list(group.committed(places, 15.0)), brokers=brokers, within_s=within_s)


def patiently(ask: Callable[[], T], *, brokers: str, within_s: float = 60.0) -> T:
    """Return the coordinator's answer. A new broker takes a while to know which groups it coordinates: it is asked again.

    Raises Unavailable, or Fault if locked out.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in _FINDING or time.monotonic() > deadline:
                with speaking(brokers):
                    raise
            time.sleep(RETRY_S)
