"""How does a partition come back? Its state log is read to the end; where that ends, the source goes on.

The log is the commit. Without one, the facts are folded again from their first record, and outputs below the group's committed
offset are not sent again. If the facts themselves no longer begin at their first record, that cannot be done: refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import KafkaException

from infra.errors import Fault, Unavailable
from infra.librdkafka import Consumer
from streams.engine.processor import Processor
from streams.engine.reading import bounds, stretch
from streams.engine.statelog import Recovery


@dataclass(frozen=True)
class Start:
    """Where a partition goes on, and below which offset its outputs were sent before."""

    offset: int
    mute_below: int = 0
    records: int = 0
    fuse: str = ""


def recover(
    consumer: Consumer, processor: Processor, committed: int, *, told: Callable[[int, int], None] = lambda _records, _of: None
) -> Start:
    """Read the state of the processor's partition and return where to go on.

    consumer: not subscribed; used for this call. committed: the group's offset, negative if none. told: now and then, how many records
    of the state log are read, of how many.
    Raises BrokenLog if the log is damaged or has a gap, Fault if the source lost records we need, Unavailable if Kafka is away.
    """
    agent, number = processor.agent, processor.partition
    try:
        reading = Recovery(processor.state, processor.recent, where=f"{agent.state_topic.name}[{number}]")
        records = read_all(consumer, agent.state_topic.name, number, reading.feed, told)
        reached = reading.finish()
        first, end = bounds(consumer, agent.reads.name, number)
    except KafkaException as error:
        raise Unavailable(f"Kafka is away while {agent.name} recovers partition {number}: {error}") from error
    where = f"{agent.reads.name}[{number}]"
    if reached >= 0:
        if reached < first:
            raise Fault(
                f"{where}: {agent.name} has come to offset {reached}, but retention removed all before {first}: records are lost"
            )
        if reached > end:
            raise Fault(
                f"{where}: {agent.name} has come to offset {reached}, but the topic ends at {end}: if it was made anew, "
                "delete its state topics too"
            )
        return Start(reached, records=records, fuse=reading.fuse)
    if first > 0:
        raise Fault(f"{where}: {agent.name} has no state, and the topic begins at offset {first}, not 0: state cannot be rebuilt")
    return Start(0, mute_below=max(committed, 0), records=records)


def read_all(
    consumer: Consumer,
    topic: str,
    partition: int,
    feed: Callable[[bytes, int], None],
    told: Callable[[int, int], None] = lambda _records, _of: None,
) -> int:
    """Feed every record of a partition, up to its end as of now; returns how many there were. Raises KafkaException."""
    count = 0
    first, end = bounds(consumer, topic, partition)
    for records in stretch(consumer, topic, partition, first, end):
        for row, offset in enumerate(records.offsets.tolist()):
            feed(records.values.raw(row) or b"", offset)
            told(offset + 1 - first, end - first)
        count += len(records)
    return count
