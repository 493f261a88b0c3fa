"""Was this event told before? The ids of the last events of a partition, bounded in count and time.

An id is a duplicate if the same id was seen among the last `capacity` events with an event time at most `horizon_ms` away: the
same fact told twice has the same time, so the rule does not depend on when it was told.
"""

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, inner, lean

Ids = NDArray[np.uint64]
Times = NDArray[np.int64]
_EMPTY = 0
"""An index cell holds a place of the ring + 1. All empty is all zeros: memory that the system gives when it is first touched."""


@inner
def _cell(index: NDArray[np.int32], ring: Ids, one: np.uint64) -> int:
    """Return the index cell that holds this id, or the empty one where it would go."""
    mask = index.shape[0] - 1
    cell = np.int64(one & np.uint64(mask))
    while index[cell] != _EMPTY and ring[index[cell] - 1] != one:
        cell = (cell + 1) & mask
    return cell


@inner
def _remove(index: NDArray[np.int32], ring: Ids, cell: int) -> None:
    """Empty a cell and close the gap, so that no probe ends early."""
    mask = index.shape[0] - 1
    hole = cell
    while True:
        cell = (cell + 1) & mask
        if index[cell] == _EMPTY:
            break
        home = np.int64(ring[index[cell] - 1] & np.uint64(mask))
        if ((cell - home) & mask) >= ((cell - hole) & mask):
            index[hole] = index[cell]
            hole = cell
    index[hole] = _EMPTY


@compiled
def _seen(
    ids: Ids, at: Times, ask: NDArray[np.bool_], horizon: int, head: int, ring: Ids, ring_at: Times, index: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Judge each id as if it were added at once: which ids are still kept must not depend on how the log is cut."""
    n, capacity = ids.shape[0], ring.shape[0]
    size = 1
    while size < 2 * n + 2:
        size *= 2
    own = np.zeros(size, np.int32)
    out = np.zeros(n, np.bool_)
    fresh = 0
    for i in range(n):
        if not ask[i]:
            continue
        cell = _cell(own, ids, ids[i])
        found, known = False, np.int64(0)
        if own[cell] != _EMPTY:
            found, known = True, at[own[cell] - 1]
        else:
            old = index[_cell(index, ring, ids[i])] - 1
            if old >= 0:
                number = head - 1 - (head - 1 - old) % capacity
                found, known = number >= head + fresh - capacity, ring_at[old]
        if found and abs(at[i] - known) <= horizon:
            out[i] = True
        else:
            own[cell] = i + 1
            fresh += 1
    return out


@lean
def _add(ids: Ids, at: Times, head: int, ring: Ids, ring_at: Times, index: NDArray[np.int32]) -> None:
    capacity = ring.shape[0]
    for i in range(ids.shape[0]):
        place = (head + i) % capacity
        if head + i >= capacity:
            old = _cell(index, ring, ring[place])
            if index[old] == place + 1:
                _remove(index, ring, old)
        cell = _cell(index, ring, ids[i])
        ring[place] = ids[i]
        ring_at[place] = at[i]
        index[cell] = np.int32(place + 1)


class Recent:
    """The last ids of a partition in a ring; `head` counts all ids ever added."""

    def __init__(self, capacity: int, horizon_ms: int) -> None:
        self.capacity, self.horizon_ms, self.head = capacity, horizon_ms, 0
        self._ring: Ids = np.zeros(capacity, np.uint64)
        self._at: Times = np.zeros(capacity, np.int64)
        self._index = np.zeros(1 << (2 * capacity - 1).bit_length(), np.int32)
        self._told: Times | None = None

    def seen(self, ids: Ids, at: Times, ask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of the asked events are duplicates, of earlier batches or within this one. Changes nothing."""
        ids, at = np.ascontiguousarray(ids), np.ascontiguousarray(at)
        return _seen(ids, at, ask, self.horizon_ms, self.head, self._ring, self._at, self._index)

    def add(self, ids: Ids, at: Times) -> None:
        """Remember these ids; the oldest make room."""
        _add(np.ascontiguousarray(ids), np.ascontiguousarray(at), self.head, self._ring, self._at, self._index)
        self.head += len(ids)

    def span(self, start: int, stop: int) -> tuple[int, Ids, Times]:
        """Return the ids numbered start to stop, as far as they are still kept: first number, ids, times."""
        first = max(start, self.head - self.capacity, 0)
        places = np.arange(first, max(min(stop, self.head), first)) % self.capacity
        return first, self._ring[places], self._at[places]

    def put(self, first: int, ids: Ids, at: Times) -> None:
        """Write ids at their numbers, in any order: recovery. Call `settle` at the end."""
        if self._told is None:
            self._told = np.full(self.capacity, -1, np.int64)
        numbers = np.arange(first, first + len(ids))[-self.capacity :]
        places = numbers % self.capacity
        # The place of an old id may hold a newer one by now: a stopped worker's late word changes nothing.
        newer = numbers >= self._told[places]
        places = places[newer]
        self._told[places] = numbers[newer]
        self._ring[places], self._at[places] = ids[-len(numbers) :][newer], at[-len(numbers) :][newer]

    def settle(self, head: int) -> None:
        """End a recovery: everything up to `head` is in place."""
        self.head, self._told = head, None
        first, ids, _ = self.span(0, head)
        self._index[:] = _EMPTY
        _refill(ids, first, self._ring, self._index)


@lean
def _refill(ids: Ids, first: int, ring: Ids, index: NDArray[np.int32]) -> None:
    for i in range(ids.shape[0]):
        index[_cell(index, ring, ids[i])] = np.int32((first + i) % ring.shape[0] + 1)
