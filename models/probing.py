"""How is a key found among the rows of a table? By open addressing over 128-bit hashes, in compiled loops.

A cell of the index is 0 or holds 32 bits of the key's hash above its row number + 1: most cells that are not ours are passed over
without a look at their key, and a larger index is filled from a smaller one in one sequential walk. That walk is taken a few steps
with each call that adds keys: cells below the *frontier* (and from the *tail* on) have moved to the new index, the others are
still in the old one, so a key has one place at any time and no call pays for the whole.

`meta` has a line for each row: both halves of the key's hash, the batch that touched it last, and its link: the epoch that changed
it last (LIVE: none) if it is live, PENDING if it was dropped in this batch, below that the next free row. A line of zeros is unused.
"""

import numpy as np
from numpy.typing import NDArray

from models.compiled import inner, lean

Slots = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

HI, LO, STAMP, LINK = 0, 1, 2, 3
LIVE, PENDING = 1, -1
USED, KEYS, FREE, FREE_HEAD, FRONTIER, TAIL, UNDO = 0, 1, 2, 3, 4, 5, 6
"""Of `counts`: rows ever used, live keys, free rows, first free row + 1; where the walk stands; touched rows of this batch."""
COUNTS = 7
_LOW = 0xFFFFFFFF


@inner
def probe(cells: Ints, hi: int, lo: int, meta: Ints) -> int:
    """Return the cell that holds the key, or -1 - the free cell where it would go."""
    mask = cells.shape[0] - 1
    tag = lo & _LOW
    cell: int = lo & mask
    while True:
        found = cells[cell]
        if found == 0:
            return -1 - cell
        if (found >> 32) & _LOW == tag:
            slot = (found & _LOW) - 1
            if meta[slot, LO] == lo and meta[slot, HI] == hi:
                return cell
        cell = (cell + 1) & mask


@inner
def in_new(lo: int, old: Ints, counts: Ints) -> bool:
    """Return whether a key of this hash lives in the new index."""
    home = lo & (old.shape[0] - 1)
    return bool(home < counts[FRONTIER] or home >= counts[TAIL])


@inner
def look(hi: int, lo: int, meta: Ints, new: Ints, old: Ints, counts: Ints) -> int:
    """Return the row of a key, -1 where absent."""
    if in_new(lo, old, counts):
        cell = probe(new, hi, lo, meta)
        return int(new[cell] & _LOW) - 1 if cell >= 0 else -1
    cell = probe(old, hi, lo, meta)
    return int(old[cell] & _LOW) - 1 if cell >= 0 else -1


@inner
def insert(slot: int, meta: Ints, new: Ints, old: Ints, counts: Ints) -> None:
    """Put a row's key, which must be absent, into the index."""
    hi, lo = meta[slot, HI], meta[slot, LO]
    entry = ((lo & _LOW) << 32) | (slot + 1)
    if in_new(lo, old, counts):
        new[-1 - probe(new, hi, lo, meta)] = entry
    else:
        old[-1 - probe(old, hi, lo, meta)] = entry
    counts[KEYS] += 1


@inner
def _empty(cells: Ints, cell: int) -> None:
    """Empty a cell and close the gap, so that no probe ends early."""
    mask = cells.shape[0] - 1
    hole = cell
    while True:
        cell = (cell + 1) & mask
        if cells[cell] == 0:
            break
        home = (cells[cell] >> 32) & mask
        if ((cell - home) & mask) >= ((cell - hole) & mask):
            cells[hole] = cells[cell]
            hole = cell
    cells[hole] = 0


@inner
def remove(slot: int, meta: Ints, new: Ints, old: Ints, counts: Ints) -> None:
    """Take a row's key, which must be there, out of the index."""
    hi, lo = meta[slot, HI], meta[slot, LO]
    if in_new(lo, old, counts):
        _empty(new, probe(new, hi, lo, meta))
    else:
        _empty(old, probe(old, hi, lo, meta))
    counts[KEYS] -= 1


@lean
def find(
    hashes: Ints, start: int, create: bool, limit: int, batch: int, meta: Ints, new: Ints, old: Ints, counts: Ints,
    undo: Ints, before: Bytes, rows: Bytes, out: Slots,
) -> int:  # fmt: skip
    """Look up each hash from `start` on; returns where it stopped for want of room (rows, or more than `limit` keys).

    batch: touched rows are noted in `undo` (-1 - row if fresh) with what they held in `before`; 0 notes nothing.
    """
    for i in range(start, hashes.shape[0]):
        hi, lo = hashes[i, 0], hashes[i, 1]
        slot = look(hi, lo, meta, new, old, counts)
        if slot < 0 and create:
            if counts[KEYS] >= limit:
                return i
            if counts[FREE_HEAD] > 0:
                slot = counts[FREE_HEAD] - 1
                counts[FREE_HEAD] = -2 - meta[slot, LINK]
                counts[FREE] -= 1
            elif counts[USED] < meta.shape[0]:
                slot = counts[USED]
                counts[USED] += 1
            else:
                return i
            meta[slot, HI], meta[slot, LO], meta[slot, STAMP], meta[slot, LINK] = hi, lo, batch, LIVE
            insert(slot, meta, new, old, counts)
            if batch:
                undo[counts[UNDO]] = -1 - slot
                counts[UNDO] += 1
        elif slot >= 0 and batch and meta[slot, STAMP] != batch:
            meta[slot, STAMP] = batch
            place = counts[UNDO]
            undo[place] = slot
            for k in range(rows.shape[1]):
                before[place, k] = rows[slot, k]
            counts[UNDO] += 1
        out[i] = slot
    return len(hashes)


@lean
def seek(hashes: Ints, meta: Ints, new: Ints, old: Ints, counts: Ints, out: Slots) -> None:
    """Look up each hash and touch nothing; -1 where absent."""
    for i in range(hashes.shape[0]):
        out[i] = look(hashes[i, 0], hashes[i, 1], meta, new, old, counts)


@lean
def begin(old: Ints, counts: Ints, new: Ints) -> None:
    """Set the walk from old to new going: move what is probed for across the end of the old index."""
    size = old.shape[0]
    first, tail = 0, size
    while old[first] != 0:
        _move(old, first, new)
        first += 1
    while tail > first and old[tail - 1] != 0:
        tail -= 1
        _move(old, tail, new)
    counts[FRONTIER], counts[TAIL] = first, tail


@lean
def walk(old: Ints, counts: Ints, new: Ints, steps: int) -> bool:
    """Move at least so many cells on, to the end of a run of full ones; returns whether all have moved."""
    size = old.shape[0]
    cell = counts[FRONTIER]
    stop = min(cell + steps, size)
    while cell < size:
        if old[cell] != 0:
            _move(old, cell, new)
        elif cell + 1 >= stop and cell + 1 < size:
            counts[FRONTIER] = cell + 1
            return False
        cell += 1
    cell = 0
    while old[cell] != 0:  # what was added since across the end
        _move(old, cell, new)
        cell += 1
    return True


@inner
def _move(old: Ints, cell: int, new: Ints) -> None:
    mask = new.shape[0] - 1
    place = (old[cell] >> 32) & mask
    while new[place] != 0:
        place = (place + 1) & mask
    new[place] = old[cell]
    old[cell] = 0
