"""How is a stretch of a log read, from one offset to another, without a group?"""

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from schemas.columns import Records

TIMEOUT_S = 15.0
BATCH = 4000


def bounds(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """Return the first and the next offset of a partition, as of now. Raises KafkaException."""
    first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_S)
    return first, end


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


def records(topic: str, partition: int, found: list[Message]) -> Records:
    """Return messages of one partition as columns."""
    return Records.of(topic, partition, [(m.offset() or 0, m.timestamp()[1], m.key(), m.value()) for m in found])
