"""Where does an agent keep what it knows? In tables of fixed rows, keyed by 128-bit hashes.

A row is one element of a structured numpy array; a compiled fold reads and writes `table.rows[slot]`. `slots` is the only way to
reach a row, so the table knows which rows a batch touched: they are logged when the batch succeeds and put back when it fails.
Row numbers mean nothing outside one process, nor beyond one batch: keys, not numbers, are logged.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import probing, undoing
from models.memory import Growing
from models.probing import Hashes, Ints, Slots

_SMALLEST = 64
_WALK_ALWAYS, _WALK_A_KEY = 1024, 8
"""Cells of the old index to move with each call, and more for each key asked for: done long before the new one is full."""
_SMALL_INDEX = 8192
_SPARSE = 4
_WORTH_COMPACTING = 16_384
_MANY_CHANGES = 65_536


@dataclass(frozen=True)
class TableSpec:
    """A table's name and the shape of its rows. A new row is all zeros.

    idle: the field that holds when a row was last used (ms; 0 is never), and after how long without use it is forgotten (ms).
    """

    name: str
    dtype: np.dtype[Any]
    idle: tuple[str, int] | None = None


@dataclass(frozen=True)
class Image:
    """Rows taken out of a table. keys: those of the rows, then those that were dropped; rows: of the live keys only."""

    keys: Hashes
    rows: NDArray[Any]

    @property
    def live(self) -> NDArray[np.bool_]:
        """Whether each key is still there."""
        return np.arange(len(self.keys)) < len(self.rows)


class Table:
    """Rows by key. Take `rows`, or `raw`, the same as bytes, after `slots`: there may be more of them."""

    def __init__(self, spec: TableSpec) -> None:
        self.spec = spec
        self._batch, self._epoch = 1, probing.LIVE + 1
        self._memory, self._memory_of_keys = Growing(spec.dtype.itemsize), Growing(32)
        self._counts = np.zeros(probing.COUNTS, np.int64)
        self._undo: Ints = np.empty(0, np.int64)
        self._before: NDArray[np.uint8] = np.empty((0, spec.dtype.itemsize), np.uint8)
        self._pending: list[Slots] = []
        self._most_touched = 0
        self._dirty: Slots = np.empty(0, np.int64)
        self._changed = 0
        self._gone: list[Hashes] = []
        self._new, self._old = _cells(4 * _SMALLEST), np.zeros(1, np.int64)
        self._walked()
        self._reach(_SMALLEST)

    def __len__(self) -> int:
        """How many keys there are."""
        return int(self._counts[probing.KEYS])

    @property
    def used(self) -> int:
        """One more than the highest row number in use: where a sweep ends."""
        return int(self._counts[probing.USED])

    @property
    def capacity_bytes(self) -> int:
        """Memory held, bytes."""
        rows = (self.used + self._most_touched) * (self.spec.dtype.itemsize + 32)
        return rows + self._new.nbytes + self._old.nbytes + self._dirty.nbytes

    def _reach(self, size: int) -> None:
        self._memory.reach(size)
        self._memory_of_keys.reach(size)
        self.raw = self._memory.items
        self.rows: NDArray[Any] = self.raw.reshape(-1).view(self.spec.dtype)
        self._meta: Ints = self._memory_of_keys.items.reshape(-1).view(np.int64).reshape(-1, 4)

    @property
    def _most_keys(self) -> int:
        """How many keys the index holds before it grows: fuller, more cells are passed over in vain."""
        return 3 * len(self._new) // 8

    def _make_room(self) -> None:
        """Have room for at least one key more."""
        if len(self) >= self._most_keys:
            self._index_anew(2 * len(self._new))
        elif self.used >= len(self.rows) and not self._counts[probing.FREE]:
            self._reach(2 * len(self.rows))

    def _index_anew(self, size: int) -> None:
        """Begin to move into an index of another size."""
        self._walk(len(self._old))
        self._old, self._new = self._new, _cells(size)
        probing.begin(self._old, self._counts, self._new)
        if len(self._old) <= _SMALL_INDEX:
            self._walk(len(self._old))

    def _walk(self, steps: int) -> None:
        if len(self._old) > 1 and probing.walk(self._old, self._counts, self._new, steps):
            self._walked()

    def _walked(self) -> None:
        self._old = np.zeros(1, np.int64)
        self._counts[probing.FRONTIER] = self._counts[probing.TAIL] = 1

    def slots(self, hashes: Hashes, *, create: bool = True) -> Slots:
        """Return the row number of each key, shape (n,); absent keys get zero rows, or -1 if `create` is False.

        hashes: uint64 (n, 2), from `hash_strings`.
        """
        n = len(hashes)
        if n and self._counts[probing.UNDO] + n > len(self._undo):
            size = 2 * int(self._counts[probing.UNDO] + n)
            self._undo, self._before = _longer(self._undo, size), _longer(self._before, size)
        return self._find(hashes, create, self._batch)

    def place(self, hashes: Hashes) -> Slots:
        """Return the row number of each key as `slots` does, with nothing to log or to put back: recovery."""
        return self._find(hashes, True, 0)

    def _find(self, hashes: Hashes, create: bool, batch: int) -> Slots:
        n, done = len(hashes), 0
        out = np.empty(n, np.int64)
        if n == 0:
            return out
        keys = np.ascontiguousarray(hashes).view(np.int64)
        while True:
            done = probing.find(
                keys, done, create, self._most_keys, batch, self._meta, self._new, self._old, self._counts,
                self._undo, self._before, self.raw, out,
            )  # fmt: skip
            if create and len(self._old) > 1:
                self._walk(_WALK_ALWAYS + _WALK_A_KEY * n)
            if done == n:
                return out
            self._make_room()

    def find(self, hashes: Hashes) -> Slots:
        """Return the row number of each key, -1 where absent, for looking only: nothing is marked as touched."""
        keys = np.ascontiguousarray(hashes).view(np.int64)
        out = np.empty(len(keys), np.int64)
        probing.seek(keys, self._meta, self._new, self._old, self._counts, out)
        return out

    def drop(self, slots: Slots) -> None:
        """Forget the keys of these rows; negative numbers are passed over."""
        if len(slots):
            dropped = undoing.drop(np.ascontiguousarray(slots), self._meta, self._new, self._old, self._counts)
            if len(dropped):
                self._pending.append(dropped)

    def idle(self, before: int) -> Slots:
        """Return the rows last used before this moment (ms), by the field that the spec names."""
        if self.spec.idle is None:
            return np.empty(0, np.int64)
        # One layout whatever the row's, so that nothing is compiled for it.
        moments = np.ascontiguousarray(self.rows[self.spec.idle[0]][: self.used])
        return undoing.older(moments, self._meta, before)

    def keep(self) -> None:
        """The batch succeeded: what it touched will be logged at the next cut."""
        count = int(self._counts[probing.UNDO])
        if count:
            self._most_touched = max(self._most_touched, count)
            if self._changed + count > len(self._dirty):
                self._dirty = _longer(self._dirty, 2 * (self._changed + count))
            self._changed = undoing.note(self._undo, self._meta, self._counts, self._epoch, self._dirty, self._changed)
        if self._pending:
            sparse = self.used >= _WORTH_COMPACTING and _SPARSE * len(self) < self.used
            for slots in self._pending:
                self._gone.append(self._meta[slots, :2].view(np.uint64))
                if not sparse:
                    undoing.free(slots, self._meta, self.raw, self._counts)
            self._pending.clear()
            if sparse:
                self._compact()
            if len(self._new) > _SMALL_INDEX and 4 * _SPARSE * len(self) < len(self._new):
                self._index_anew(max(1 << (4 * len(self)).bit_length(), 4 * _SMALLEST))
        self._batch += 1

    def restore(self) -> None:
        """The batch failed: put every touched row back as it was before it."""
        pending = np.concatenate([np.empty(0, np.int64), *self._pending])
        undoing.take_back(self._undo, self._before, pending, self._meta, self.raw, self._new, self._old, self._counts)
        self._pending.clear()
        self._batch += 1

    def _compact(self) -> None:
        """Give memory back now that most rows are free. Between batches only: rows move, and count as changed."""
        used, live = self.used, len(self)
        self._dirty = _longer(self._dirty, self._changed + live)
        self._changed = undoing.compact(
            self._meta, self.raw, self._new, self._old, self._counts, self._epoch, self._dirty, self._changed
        )
        self._memory.release(live, used)
        self._memory_of_keys.release(live, used)

    def take_changes(self) -> Image:
        """Return every row touched or dropped since the last call, each live key once, as it is now."""
        image = self._image(self._changed)
        if not self._changed and not self._gone:
            return image
        found = undoing.gather(self._dirty[: self._changed], self._meta, self.raw, *_raw(image))
        keys = image.keys[:found]
        if self._gone:
            gone = np.concatenate(self._gone)
            # A key that was dropped and came back is live: its live row alone tells. One dropped twice is told twice: no harm.
            keys = np.concatenate([keys, gone[self.find(gone) < 0]])
        self._logged()
        return Image(keys, image.rows[:found])

    def sweep(self, start: int, count: int) -> Image:
        """Return the live rows numbered start to start + count: one step of a rolling snapshot."""
        stop = max(min(start + count, self.used), start)
        image = self._image(stop - start)
        if stop == start:
            return image
        found = undoing.gather(np.arange(start, stop), self._meta, self.raw, *_raw(image))
        return Image(image.keys[:found], image.rows[:found])

    def _image(self, size: int) -> Image:
        return Image(np.empty((size, 2), np.uint64), np.empty(size, self.spec.dtype))

    def forget_changes(self) -> None:
        """What was done so far is known elsewhere: nothing to log or to put back. For recovery."""
        self.keep()
        self._logged()

    def _logged(self) -> None:
        self._gone, self._changed = [], 0
        self._epoch += 1
        if len(self._dirty) > _MANY_CHANGES:
            self._dirty = np.empty(0, np.int64)

    def image(self) -> Image:
        """Return all live rows, sorted by key: for tests and snapshots."""
        image = self.sweep(0, self.used)
        order = np.lexsort((image.keys[:, 1], image.keys[:, 0]))
        return Image(image.keys[order], image.rows[order])


def _cells(size: int) -> Ints:
    return Growing(8, size, size).items.reshape(-1).view(np.int64)


def _longer(array: NDArray[Any], size: int) -> NDArray[Any]:
    if size <= len(array):
        return array
    new = np.empty((size, *array.shape[1:]), array.dtype)
    new[: len(array)] = array
    return new


def _raw(image: Image) -> tuple[Hashes, NDArray[np.uint8]]:
    return image.keys, image.rows.view(np.uint8).reshape(len(image.rows), image.rows.dtype.itemsize)
