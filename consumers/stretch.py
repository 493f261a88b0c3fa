"""What is handed to a store? Stretches of the log: records, and the offsets that they lead each partition from and to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from schemas.columns import Batch, Reader, Records
from schemas.columns.arrays import Bools, Int32s, Int64s
from schemas.columns.records import Message
from schemas.event import Topic

Partition = tuple[str, int]
"""Topic and partition."""

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Span:
    """One partition's share of a stretch: `count` records. start: the offset the store was at before; end: where it is after."""

    partition: int
    start: int
    end: int
    count: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records of one topic, partition after partition, read as one batch: that costs as much as reading one of them.

    The batch's own `partition` means nothing, and its offsets ascend only within a span.
    """

    topic: Topic
    batch: Batch
    spans: tuple[Span, ...]

    @property
    def partitions(self) -> Int32s:
        """Return the partition of each record: int32[n]."""
        return np.repeat(np.array([s.partition for s in self.spans], np.int32), [s.count for s in self.spans])

    def cut(self, position: int) -> tuple["Stretch", "Stretch"]:
        """Return what comes before a record of the batch, and the rest."""
        heads: list[Span] = []
        tails: list[Span] = []
        before = 0
        for span in self.spans:
            left = min(max(position - before, 0), span.count)
            between = int(self.batch.offsets[position]) if 0 < left < span.count else span.end if left else span.start
            if left:
                heads.append(replace(span, end=between, count=left))
            if left < span.count:
                tails.append(replace(span, start=between, count=span.count - left))
            before += span.count
        first, second = self.batch.slice(0, position), self.batch.slice(position, self.batch.n)
        return replace(self, batch=first, spans=tuple(heads)), replace(self, batch=second, spans=tuple(tails))

    def without(self, mask: Bools) -> "Stretch":
        """Return the stretch with the masked records in no columns; its offsets are the same. mask: bool[n]."""
        return replace(self, batch=self.batch.drop(mask))


def stretch(reader: Reader, found: Sequence[tuple[int, int, Sequence[Message]]]) -> Stretch:
    """Read one topic's messages. found: (partition, the offset the store is at, messages, at least one) of each partition."""
    messages = [message for _, _, some in found for message in some]
    spans = tuple(Span(partition, start, some[-1][0] + 1, len(some)) for partition, start, some in found)
    return Stretch(reader.topic, reader.read(Records.of(reader.topic.name, -1, messages)), spans)


class Overtaken(Exception):
    """Somebody else has moved these partitions: nothing of them was written; go on from where they are now."""

    def __init__(self, now: dict[Partition, int]) -> None:
        """now: the next offset of each partition that was moved."""
        super().__init__(f"written by another sink meanwhile: {now}")
        self.now = now


class Store(Protocol):
    """Where stretches come to rest. Everything in it can be written twice without harm. All of it may raise Unavailable."""

    name: str

    def offsets(self, partitions: Sequence[Partition]) -> dict[Partition, int] | None:
        """Return where to go on reading, or None if Kafka's own committed offsets are to be used."""

    def write(self, stretches: Sequence[Stretch]) -> None:
        """Write them. Raises Overtaken."""

    def close(self) -> None:
        """Let go of the connection."""


def in_portions(stretches: Sequence[Stretch], most: int) -> Iterator[Sequence[Stretch]]:
    """Yield the stretches in portions that touch at most so many days of tables: each takes locks in the database."""
    portion: list[Stretch] = []
    used = 0
    for whole in stretches:
        rest, firsts = whole, _first_of_each_day(whole.batch)
        if portion and used + len(firsts) > most:
            yield portion
            portion, used = [], 0
        while len(firsts) > most:
            head, rest = rest.cut(int(firsts[most]))
            yield [head]
            firsts = _first_of_each_day(rest.batch)
        portion.append(rest)
        used += len(firsts)
    if portion:
        yield portion


def _first_of_each_day(batch: Batch) -> Int64s:
    """Return the positions at which a (class, day) pair comes up for the first time, ascending."""
    good = np.flatnonzero(batch.kind >= 0)
    codes = batch.kind[good].astype(np.int64) * 1_000_000 + batch.at[good] // DAY_MS
    _, first = np.unique(codes, return_index=True)
    return np.sort(good[first])


def halves(stretches: Sequence[Stretch]) -> tuple[Sequence[Stretch], Sequence[Stretch]]:
    """Return two parts of a write of at least two records: by stretch if there are several, else by record."""
    if len(stretches) > 1:
        middle = len(stretches) // 2
        return stretches[:middle], stretches[middle:]
    head, tail = stretches[0].cut(stretches[0].batch.n // 2)
    return [head], [tail]
