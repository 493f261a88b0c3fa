"""What would an agent have seen of these events? The same batches: encoded as on the wire, and read back as columns."""

from collections.abc import Iterable, Iterator
from itertools import islice

from schemas.avro import schema
from schemas.catalogue import holds
from schemas.columns import Batch, Columns, Reader, Records, Strings, encode
from schemas.event import Event, Topic


def batches(events: Iterable[Event], topic: Topic, size: int = 5_000) -> Iterator[Batch]:
    """Yield events of one topic as the batches of one partition, in their order. size: events in each.

    Raises ValueError naming class and field for an event that no reader would take.
    """
    classes = holds(topic)
    ids = {event: number for number, event in enumerate(classes, start=1)}
    by_id = {number: schema(event) for event, number in ids.items()}
    reader = Reader(topic, by_id.get)
    stream, offset = iter(events), 0
    while some := list(islice(stream, size)):
        yield reader.read(_records(some, topic, ids, offset))
        offset += len(some)


def _records(events: list[Event], topic: Topic, ids: dict[type[Event], int], offset: int) -> Records:
    values: list[bytes | None] = [None] * len(events)
    for event, number in ids.items():
        places = [i for i, each in enumerate(events) if type(each) is event]
        if places:
            encoded = encode(Columns.of([events[i] for i in places]), number).raws()
            for place, value in zip(places, encoded, strict=True):
                values[place] = value
    keys = Strings.of([getattr(event, topic.key, "") for event in events])
    numbers = range(offset, offset + len(events))
    return Records.of(topic.name, 0, [(n, 0, keys.raw(i), values[i]) for i, n in enumerate(numbers)])
