"""How do many events travel to Kafka without an object each? As chunks: columns by class, and the order across them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.errors import Fault
from producers.check import NotAnEvent
from schemas.columns import Columns, Strings, encode
from schemas.control import Control
from schemas.event import Event, Topic

SIZE = 2_000
"""Events of a chunk that is made of single events: more is not faster, and makes a slow source wait."""


@dataclass(frozen=True)
class Chunk:
    """n events in the order in which they are sent. Event i is row `row[i]` of `parts[part[i]]`; parts are of different classes."""

    parts: tuple[Columns[Any], ...]
    part: NDArray[np.int8]
    row: NDArray[np.int64]

    @classmethod
    def of(cls, events: Sequence[Event]) -> "Chunk":
        """Return single events as a chunk."""
        groups: dict[type[Event], list[Event]] = {}
        part, row = np.empty(len(events), np.int8), np.empty(len(events), np.int64)
        numbers: dict[type[Event], int] = {}
        for i, event in enumerate(events):
            group = groups.setdefault(type(event), [])
            part[i] = numbers.setdefault(type(event), len(numbers))
            row[i] = len(group)
            group.append(event)
        return cls(tuple(Columns.of(group) for group in groups.values()), part, row)

    @classmethod
    def by_time(cls, parts: Iterable[Columns[Any]]) -> "Chunk":
        """Return columns as a chunk in event-time order; at the same moment the earlier part goes first."""
        kept = tuple(parts)
        part = np.repeat(np.arange(len(kept), dtype=np.int8), [each.n for each in kept])
        row = np.concatenate([np.arange(each.n) for each in kept])
        order = np.argsort(np.concatenate([each["at"] for each in kept]), kind="stable")
        return cls(kept, part[order], row[order])

    def __len__(self) -> int:
        """Return n."""
        return len(self.part)

    @property
    def at(self) -> NDArray[np.int64]:
        """When each event happened, ms."""
        return self.gather([each["at"] for each in self.parts], np.int64)

    @property
    def facts(self) -> NDArray[np.bool_]:
        """Which events are facts, not control records."""
        return np.array([each.event is not Control for each in self.parts], np.bool_)[self.part]

    def gather(self, columns: Sequence[Any], dtype: Any) -> NDArray[Any]:
        """Return one value for each event out of one array for each part."""
        out = np.empty(len(self), dtype)
        for number, column in enumerate(columns):
            mine = self.part == number
            out[mine] = np.asarray(column, dtype)[self.row[mine]]
        return out

    def take(self, rows: Any) -> "Chunk":
        """Return these events (a mask, a slice or positions); the columns are shared."""
        return Chunk(self.parts, self.part[rows], self.row[rows])

    def compact(self) -> "Chunk":
        """Return the same events without the rows and parts of others."""
        kept = [number for number in range(len(self.parts)) if (self.part == number).any()]
        parts: list[Columns[Any]] = []
        part, row = np.empty_like(self.part), np.empty_like(self.row)
        for number in kept:
            mine = self.part == number
            part[mine], row[mine] = len(parts), np.arange(np.count_nonzero(mine))
            parts.append(self.parts[number].take(self.row[mine]))
        return Chunk(tuple(parts), part, row)

    def rows(self) -> Iterator[Event]:
        """Yield the events, made as you go."""
        made = [list(each.rows()) for each in self.parts]
        return (made[part][row] for part, row in zip(self.part.tolist(), self.row.tolist(), strict=True))


@dataclass(frozen=True)
class Posting:
    """A chunk ready to be sent: for each event its topic, key, bytes, whether it goes into every partition, and when it happened."""

    topics: list[str]
    keys: list[bytes]
    values: list[bytes]
    everywhere: list[bool]
    at: NDArray[np.int64]

    def __len__(self) -> int:
        """Return how many events there are."""
        return len(self.topics)


def chunks(events: Iterable[Event], size: int = SIZE) -> Iterator[Chunk]:
    """Yield events in chunks."""
    source = iter(events)
    while batch := list(islice(source, size)):
        yield Chunk.of(batch)


def posting(chunk: Chunk, schema_id: Callable[[type[Event], Topic], int], facts: Topic | None = None) -> Posting:
    """Encode a chunk. facts: the topic whose partitions get its control records.

    Raises NotAnEvent naming class, field and row of a value that its class refuses; Fault for a control record without `facts`.
    """
    topics, keys, values = [], [], []
    for each in chunk.parts:
        control = each.event is Control
        topic = facts if control else each.event.topic
        if topic is None:
            raise Fault("a control record goes into every partition of a facts topic: say which, or use send_to_all")
        try:
            made = encode(each, schema_id(each.event, topic))
        except (ValueError, TypeError) as error:
            raise NotAnEvent(str(error)) from error
        topics.append(np.full(each.n, topic.name, object))
        keys.append(_objects(each["series" if control else topic.key]))
        values.append(_objects(made))
    everywhere = (~chunk.facts).tolist()
    return Posting(
        chunk.gather(topics, object).tolist(), chunk.gather(keys, object).tolist(), chunk.gather(values, object).tolist(),
        everywhere, chunk.at,
    )  # fmt: skip


def _objects(texts: Strings) -> NDArray[Any]:
    out = np.empty(len(texts), object)
    out[:] = texts.raws()
    return out
