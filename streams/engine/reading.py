"""How is a stretch of a log read, from one offset to another, without a group?"""

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.columns import Records

TIMEOUT_S = 15.0
BATCH = 4000
_NOT_YET = {KafkaError._UNKNOWN_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION}


def bounds(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """Return the first and the next offset of a partition, as of now. Raises KafkaException.

    A client that has just met a topic may not know its partitions yet: it is asked again for a while.
    """
    for wait_s in (0.05, 0.2, 0.5, 1.0, 2.0):
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET:
                raise
            time.sleep(wait_s)
    return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_S)


def messages(consumer: Consumer, topic: str, partition: int, start: int, stop: int) -> Iterator[list[Message]]:
    """Yield the records from offset start to before stop, in order, in lists. Raises KafkaException.

    The consumer must not be subscribed; nothing is committed.
    """
    if start >= stop:
        return
    place = TopicPartition(topic, partition, start)
    consumer.assign([place])
    try:
        while (at := consumer.position([place])[0].offset) < stop:
            found = consumer.consume(BATCH, 0.2 if at < 0 else 0.05)
            for message in found:
                if (error := message.error()) is not None:
                    raise KafkaException(error)
            inside = [message for message in found if (message.offset() or 0) < stop]
            if inside:
                yield inside
    finally:
        consumer.unassign()


def stretch(consumer: Consumer, topic: str, partition: int, start: int, stop: int) -> Iterator[Records]:
    """Yield the records from offset start to before stop as columns, in order. Raises KafkaException."""
    for found in messages(consumer, topic, partition, start, stop):
        yield records(topic, partition, found)


def records(topic: str, partition: int, found: list[Message]) -> Records:
    """Return messages of one partition as columns."""
    return Records.of(topic, partition, [(m.offset() or 0, m.timestamp()[1], m.key(), m.value()) for m in found])
