"""What would an agent have seen of these events? The same batches: encoded as on the wire, and read back as columns."""

from collections.abc import Iterable, Iterator

from producers.chunk import Chunk, posting
from schemas.avro import schema
from schemas.catalogue import holds
from schemas.columns import Batch, Reader, Records
from schemas.event import Event, Topic


def batches(source: Iterable[Chunk], topic: Topic) -> Iterator[Batch]:
    """Yield chunks of events of one facts topic as the batches of one partition, in their order.

    Raises NotAnEvent naming class and field for an event that no reader would take.
    """
    ids = {event: number for number, event in enumerate(holds(topic), start=1)}
    by_id = {number: schema(event) for event, number in ids.items()}
    reader = Reader(topic, by_id.get)

    def schema_id(event: type[Event], _topic: Topic) -> int:
        return ids[event]

    offset = 0
    for chunk in source:
        post = posting(chunk, schema_id, topic)
        records = [(offset + n, 0, key, value) for n, (key, value) in enumerate(zip(post.keys, post.values, strict=True))]
        offset += len(records)
        yield reader.read(Records.of(topic.name, 0, records))
