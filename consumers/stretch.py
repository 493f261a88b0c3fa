"""What is handed to a store? A stretch of one partition's log: the records in it, and the offsets it leads from and to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from schemas.columns import Batch
from schemas.columns.arrays import Int64s

Partition = tuple[str, int]
"""Topic and partition."""

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records of one partition. start: the offset the store was at before; end: where it is after. The log may have gaps."""

    batch: Batch
    start: int
    end: int

    @property
    def partition(self) -> Partition:
        """Whose records these are."""
        return self.batch.topic, self.batch.partition

    def cut(self, position: int) -> tuple["Stretch", "Stretch"]:
        """Return what comes before a record of the batch, and the rest."""
        between = int(self.batch.offsets[position])
        return (
            Stretch(self.batch.slice(0, position), self.start, between),
            Stretch(self.batch.slice(position, self.batch.n), between, self.end),
        )


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
        stretch, firsts = whole, _first_of_each_day(whole.batch)
        while len(firsts) > most:
            head, stretch = stretch.cut(int(firsts[most]))
            yield [head]
            firsts = _first_of_each_day(stretch.batch)
        if used + len(firsts) > most:
            yield portion
            portion, used = [], 0
        portion.append(stretch)
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
    """Return two parts of a write with at least two records: by stretch if there are several, else by record."""
    if len(stretches) > 1:
        middle = len(stretches) // 2
        return stretches[:middle], stretches[middle:]
    head, tail = stretches[0].cut(stretches[0].batch.n // 2)
    return [head], [tail]
