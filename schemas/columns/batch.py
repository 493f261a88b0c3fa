"""What does an agent see? The records of one partition, in order: columns per event class, and where in the log each row lies."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from schemas.columns.arrays import Bools, Codes, Int32s, Int64s
from schemas.columns.columns import Columns, E
from schemas.columns.faults import Letter
from schemas.columns.records import Records
from schemas.columns.strings import Strings
from schemas.event import Event

BAD, IGNORED = -1, -2
"""Kinds of records that are in no columns: a bad one is in the letters, an ignored one was told twice."""


class Batch:
    """n records. kind: int16[n], index in `holds`, or BAD, or IGNORED. row: int32[n], the row in the columns of its kind, else -1.

    event_ids: texts, empty where bad. at: int64[n], event time in ms, 0 where bad. letters: one per bad record, in order.
    """

    __slots__ = ("_columns", "at", "event_ids", "holds", "kind", "letters", "records", "row")

    def __init__(
        self,
        records: Records,
        holds: tuple[type[Event], ...],
        columns: Sequence[Columns[Any]],
        kind: Codes,
        row: Int32s,
        event_ids: Strings,
        at: Int64s,
        letters: list[Letter],
    ) -> None:
        """columns: one per class in holds, rows in log order."""
        self.records, self.holds, self._columns = records, holds, tuple(columns)
        self.kind, self.row, self.event_ids, self.at, self.letters = kind, row, event_ids, at, letters

    @property
    def topic(self) -> str:
        """Return the topic's name."""
        return self.records.topic

    @property
    def partition(self) -> int:
        """Return the partition."""
        return self.records.partition

    @property
    def n(self) -> int:
        """Return how many records there are, bad ones too."""
        return len(self.kind)

    @property
    def keys(self) -> Strings:
        """Return the records' keys."""
        return self.records.keys

    @property
    def offsets(self) -> Int64s:
        """Return the records' offsets: int64[n]."""
        return self.records.offsets

    @property
    def appended_at(self) -> Int64s:
        """Return when the broker appended each record: int64[n], ms."""
        return self.records.appended_at

    def __len__(self) -> int:
        """Return n."""
        return self.n

    def __repr__(self) -> str:
        """Show what is in it."""
        held = ", ".join(f"{c.event.__name__}: {c.n}" for c in self._columns if c.n)
        return f"Batch({self.topic}[{self.partition}], n={self.n}, {held or 'nothing'}, letters={len(self.letters)})"

    def number(self, event: type[Event]) -> int:
        """Return a class's index in `holds`, as in `kind`. Raises KeyError if the topic does not hold it."""
        try:
            return self.holds.index(event)
        except ValueError:
            raise KeyError(f"{self.topic} holds {', '.join(e.__name__ for e in self.holds)}; not {event.__name__}") from None

    def of(self, event: type[E]) -> Columns[E]:
        """Return the columns of a class, typed. Raises KeyError if the topic does not hold it."""
        return self._columns[self.number(event)]

    def __getitem__(self, what: type[Event] | str) -> Any:
        """Return the columns of a class, or, where the topic holds a single class, the column of a field."""
        if not isinstance(what, str):
            return self.of(what)
        if len(self.holds) != 1:
            raise KeyError(f"{self.topic} holds several classes: say batch[class][{what!r}]")
        return self._columns[0][what]

    def order(self, event: type[Event]) -> Int64s:
        """Return the batch position of each row of a class: int64[m]."""
        return np.flatnonzero(self.kind == self.number(event)).astype(np.int64, copy=False)

    def slice(self, first: int, last: int) -> "Batch":
        """Return the records first..last (exclusive) as a batch of their own; arrays are views. All of them are the batch itself."""
        if first == 0 and last >= self.n:
            return self
        kind, columns = self.kind[first:last], []
        row = self.row[first:last].copy()
        for number, each in enumerate(self._columns):
            mine = kind == number
            rows = row[mine]
            from_row = int(rows[0]) if len(rows) else 0
            columns.append(each.take(slice(from_row, from_row + len(rows))) if each.n else each)
            row[mine] -= from_row
        letters = [replace(each, index=each.index - first) for each in self.letters if first <= each.index < last]
        cut = slice(first, last)
        records = self.records.slice(first, last)
        return Batch(records, self.holds, columns, kind, row, self.event_ids.take(cut), self.at[cut], letters)

    def drop(self, mask: Bools) -> "Batch":
        """Return the batch with the masked good records IGNORED: kept in place, but in no columns. mask: bool[n]."""
        gone = mask & (self.kind >= 0)
        if not gone.any():
            return self
        kind, row, columns = self.kind.copy(), self.row.copy(), []
        kind[gone], row[gone] = IGNORED, -1
        for number, each in enumerate(self._columns):
            mine = kind == number
            rows = row[mine]
            columns.append(each if len(rows) == each.n else each.take(rows))
            row[mine] = np.arange(len(rows), dtype=np.int32)
        return Batch(self.records, self.holds, columns, kind, row, self.event_ids, self.at, self.letters)

    def rows(self) -> Iterator[Event]:
        """Yield the good events as typed objects, in log order."""
        each = [columns.rows() for columns in self._columns]
        for kind in self.kind.tolist():
            if kind >= 0:
                yield next(each[kind])
