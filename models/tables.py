"""Where does an agent keep what it knows? In tables of fixed rows, keyed by 128-bit hashes.

A row is one element of a structured numpy array; a compiled fold reads and writes `table.rows[slot]`. `slots` is the only way to
reach a row, so the table knows which rows a batch touched: they are logged when the batch succeeds and put back when it fails.
Row numbers mean nothing outside one process: keys, not numbers, are logged.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import probing
from models.probing import Hashes, Slots

_SMALLEST = 64


@dataclass(frozen=True)
class TableSpec:
    """A table's name and the shape of its rows. A new row is all zeros."""

    name: str
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Image:
    """Rows taken out of a table: their keys, contents and whether each key is still there."""

    keys: Hashes
    rows: NDArray[Any]
    live: NDArray[np.bool_]


class Table:
    """Rows by key. Take `rows` after `slots`, which may move them to a larger array."""

    def __init__(self, spec: TableSpec) -> None:
        self.spec = spec
        self._batch = 1
        self._allocate(_SMALLEST)
        self._index: NDArray[np.int32] = np.full(2 * _SMALLEST, probing.FREE, np.int32)
        self._counts = np.zeros(3, np.int64)
        self._undo: list[tuple[Slots, NDArray[Any], NDArray[np.bool_], Hashes]] = []
        self._dirty: list[Slots] = []
        self._gone: list[Hashes] = []

    def _allocate(self, capacity: int) -> None:
        self.rows: NDArray[Any] = np.zeros(capacity, self.spec.dtype)
        self._keys: Hashes = np.zeros((capacity, 2), np.uint64)
        self._live: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self._stamp: NDArray[np.int64] = np.zeros(capacity, np.int64)
        self._free: NDArray[np.int64] = np.zeros(capacity, np.int64)

    def __len__(self) -> int:
        """How many keys there are."""
        return int(self._counts[0] - self._counts[1])

    @property
    def capacity_bytes(self) -> int:
        """Memory held, bytes."""
        return sum(a.nbytes for a in (self.rows, self._keys, self._live, self._stamp, self._free, self._index))

    def _make_room(self, more: int) -> None:
        used = int(self._counts[0])
        if used + more > len(self.rows):
            old = (self.rows, self._keys, self._live, self._stamp, self._free)
            self._allocate(max(2 * len(self.rows), 1 << int(used + more - 1).bit_length()))
            for new, was in zip((self.rows, self._keys, self._live, self._stamp, self._free), old, strict=True):
                new[: len(was)] = was
        if 3 * (int(self._counts[2]) + more) > 2 * len(self._index):
            size = 1 << int(4 * (len(self) + more) - 1).bit_length()
            self._index = np.full(max(size, 2 * _SMALLEST), probing.FREE, np.int32)
            self._counts[2] = probing.reindex(self._keys, self._live, used, self._index)

    def slots(self, hashes: Hashes, *, create: bool = True) -> Slots:
        """Return the row number of each key, shape (n,); absent keys get zero rows, or -1 if `create` is False.

        hashes: uint64 (n, 2), from `hash_strings`.
        """
        n = len(hashes)
        if n == 0:
            return np.empty(0, np.int64)
        if create:
            self._make_room(n)
        out, touched = np.empty(n, np.int64), np.empty(n, np.int64)
        first = probing.find(
            hashes, create, self._keys, self._live, self._index, self._stamp, self._batch, self._free, self._counts, out, touched
        )
        if first:
            marks = touched[:first]
            fresh = marks < 0
            slots = np.where(fresh, -marks - 1, marks)
            self._undo.append((slots, self.rows[slots], ~fresh, self._keys[slots]))
        return out

    def find(self, hashes: Hashes) -> Slots:
        """Return the row number of each key, -1 where absent, for looking only: nothing is marked as touched."""
        return probing.seek(hashes, self._keys, self._index) if len(hashes) else np.empty(0, np.int64)

    def drop(self, slots: Slots) -> None:
        """Forget these keys, once reached through `slots` in this batch; negative numbers are passed over."""
        slots = slots[slots >= 0]
        if len(slots) == 0:
            return
        slots = np.unique(slots)
        slots = slots[self._live[slots]]
        unknown = self._stamp[slots] != self._batch
        if unknown.any():
            late = slots[unknown]
            self._stamp[late] = self._batch
            self._undo.append((late, self.rows[late], np.ones(len(late), np.bool_), self._keys[late]))
        self._gone.append(self._keys[slots])
        probing.release(slots, self._keys, self._live, self._index, self._free, self._counts)
        self.rows[slots] = np.zeros((), self.spec.dtype)
        # A dropped number may be given to another key within the batch: that key's touch must be seen as its first.
        self._stamp[slots] = 0

    def keep(self) -> None:
        """The batch succeeded: what it touched will be logged at the next cut."""
        for slots, _, _, _ in self._undo:
            self._dirty.append(slots)
        self._undo.clear()
        self._batch += 1

    def restore(self, drops: int = 0) -> None:
        """The batch failed: put every touched row back as it was before it. drops: length of the drop list before the batch."""
        for slots, rows, existed, keys in reversed(self._undo):
            for slot, row, was, key in zip(slots.tolist(), rows, existed.tolist(), keys, strict=True):
                if self._live[slot]:
                    probing.forget(self._keys[slot, 0], self._keys[slot, 1], self._keys, self._index)
                self._live[slot] = was
                self._keys[slot] = key
                self.rows[slot] = row if was else np.zeros((), self.spec.dtype)
        self._undo.clear()
        del self._gone[drops:]
        self._rebuild()
        self._batch += 1

    def _rebuild(self) -> None:
        """Make index and free numbers anew from the live rows."""
        used = int(self._counts[0])
        self._index = np.full(len(self._index), probing.FREE, np.int32)
        self._counts[2] = probing.reindex(self._keys, self._live, used, self._index)
        free = np.flatnonzero(~self._live[:used])
        self._free[: len(free)] = free
        self._counts[1] = len(free)

    @property
    def drops(self) -> int:
        """How many drop lists wait for the next cut; `restore` takes this as of before the batch."""
        return len(self._gone)

    def take_changes(self) -> Image:
        """Return every row touched or dropped since the last call, each live key once, as it is now."""
        if not self._dirty:
            return self.sweep(0, 0)
        slots = np.unique(np.concatenate(self._dirty))
        slots = slots[self._live[slots]]
        gone = self._gone
        self._dirty, self._gone = [], []
        image = Image(self._keys[slots], self.rows[slots], np.ones(len(slots), np.bool_))
        if not gone:
            return image
        keys = np.concatenate(gone)
        # A key that was dropped and came back is live: its live row alone tells. One dropped twice is told twice: no harm.
        keys = keys[probing.seek(keys, self._keys, self._index) < 0]
        return Image(
            np.concatenate([image.keys, keys]),
            np.concatenate([image.rows, np.zeros(len(keys), self.spec.dtype)]),
            np.concatenate([image.live, np.zeros(len(keys), np.bool_)]),
        )

    def sweep(self, start: int, count: int) -> Image:
        """Return the live rows numbered start to start + count: one step of a rolling snapshot."""
        slots = np.arange(start, min(start + count, int(self._counts[0])))
        slots = slots[self._live[slots]]
        return Image(self._keys[slots], self.rows[slots], np.ones(len(slots), np.bool_))

    @property
    def used(self) -> int:
        """One more than the highest row number in use: where a sweep ends."""
        return int(self._counts[0])

    def forget_changes(self) -> None:
        """What was done so far is known elsewhere: nothing to log or to put back. For recovery."""
        self._undo.clear()
        self._dirty.clear()
        self._gone.clear()
        self._batch += 1

    def image(self) -> Image:
        """Return all live rows, sorted by key: for tests and snapshots."""
        image = self.sweep(0, self.used)
        order = np.lexsort((image.keys[:, 1], image.keys[:, 0]))
        return Image(image.keys[order], image.rows[order], image.live[order])


Bundles = Callable[[str], Any]
"""Bundle hash -> the loaded bundle, or None if it may not be used."""


class State:
    """All that one agent knows of one partition: its tables, the models in force, the control numbers obeyed."""

    def __init__(
        self, specs: Iterable[TableSpec], bundles: Bundles = lambda _: None, clock: Callable[[], float] = lambda: 0.0
    ) -> None:
        """bundles: see Bundles. clock: seconds, only to measure stages by."""
        self.tables: dict[str, Table] = {spec.name: Table(spec) for spec in specs}
        self.models: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self._bundles, self._clock = bundles, clock

    def __getitem__(self, spec: TableSpec) -> Table:
        """The table of this spec. Raises KeyError if the agent did not declare it."""
        return self.tables[spec.name]

    def keep(self) -> None:
        """The batch succeeded in every table."""
        for table in self.tables.values():
            table.keep()

    def mark(self) -> list[int]:
        """Return what `restore` needs to know about the moment before a batch."""
        return [table.drops for table in self.tables.values()]

    def restore(self, mark: list[int]) -> None:
        """The batch failed: every table as it was at the mark."""
        for table, drops in zip(self.tables.values(), mark, strict=True):
            table.restore(drops)

    def swap(self, model: str, sha: str) -> None:
        """Put a bundle in force; one that may not be used leaves the old one and is remembered as refused."""
        if self._bundles(sha) is None:
            self.refused[model] = sha
            self.count("bundle_refused")
        else:
            self.models[model] = sha
            self.refused.pop(model, None)

    def champion(self, model: str) -> Any:
        """Return the bundle in force for a model (`dispatch.delay/flights`), or None before the first is known."""
        sha = self.models.get(model)
        return None if sha is None else self._bundles(sha)

    def count(self, what: str, n: int = 1) -> None:
        """Count something worth a metric (late, unmatched…); not part of the state that is logged."""
        if n:
            self.counts[what] = self.counts.get(what, 0) + int(n)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage of the step (features, score, settle); not part of the state that is logged."""
        began = self._clock()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self._clock() - began

    def take_seconds(self) -> dict[str, float]:
        """Return the seconds of each stage since the last call."""
        seconds, self.seconds = self.seconds, {}
        return seconds

    def take_counts(self) -> Mapping[str, int]:
        """Return what was counted since the last call."""
        counts, self.counts = self.counts, {}
        return counts
