"""How is a stretch of a log read, from one offset to another, without a group?"""

import time
from collections.abc import Iterator

import numpy as np
from confluent_kafka import KafkaError, KafkaException

from infra.librdkafka import Consumer
from schemas.columns import Records

BATCH = 16_000
_NOT_YET = {KafkaError._UNKNOWN_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION}


def bounds(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """Return the first and the next offset of a partition, as of now. Raises KafkaException.

    A client that has just met a topic may not know its partitions yet: it is asked again for a while.
    """
    for wait_s in (0.05, 0.2, 0.5, 1.0, 2.0):
        try:
            return consumer.bounds(topic, partition)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET:
                raise
            time.sleep(wait_s)
    return consumer.bounds(topic, partition)


def stretch(consumer: Consumer, topic: str, partition: int, start: int, stop: int) -> Iterator[Records]:
    """Yield the records from offset start to before stop as columns, in order, by the thousand. Raises KafkaException.

    The consumer must not be subscribed; nothing is committed.
    """
    if start >= stop:
        return
    place = (topic, partition)
    consumer.assign({place: start})
    try:
        at = start
        while at < stop:
            found = consumer.fetch(BATCH, 0.1)
            if found.errors:
                raise KafkaException(found.errors[0])
            for records in found.records:
                if (records.topic, records.partition) != place:  # left over from an earlier stretch
                    continue
                at = int(records.offsets[-1]) + 1
                inside = records if at <= stop else records.slice(0, int(np.searchsorted(records.offsets, stop)))
                if len(inside):
                    yield inside
            at = max(at, found.ends.get(place, at))  # markers of transactions and what compaction removed are no records
    finally:
        consumer.assign({})
