"""How is what a batch did to its rows kept for the log, or undone? Compiled walks over the rows it touched.

`undo` names each touched row once, as -1 - row if the batch made it, and `before` holds what the others were. A dropped row keeps its
place and its content until the batch is kept, so that taking a drop back needs no copy.
"""

import numpy as np

from models.compiled import compiled, lean
from models.probing import (
    FREE,
    FREE_HEAD,
    HI,
    KEYS,
    LINK,
    LIVE,
    LO,
    PENDING,
    UNDO,
    USED,
    Bytes,
    Hashes,
    Ints,
    Slots,
    in_new,
    insert,
    probe,
    remove,
)


@compiled
def drop(slots: Slots, meta: Ints, new: Ints, old: Ints, counts: Ints) -> Slots:
    """Take live rows out of the index; return them, each once."""
    dropped = np.empty(slots.shape[0], np.int64)
    n = 0
    for i in range(slots.shape[0]):
        slot = slots[i]
        if slot >= 0 and meta[slot, LINK] > 0:
            remove(slot, meta, new, old, counts)
            meta[slot, LINK] = PENDING
            dropped[n] = slot
            n += 1
    return dropped[:n]


@lean
def free(slots: Slots, meta: Ints, rows: Bytes, counts: Ints) -> None:
    """Make rows zero and ready for other keys."""
    for i in range(slots.shape[0]):
        slot = slots[i]
        rows[slot, :] = 0
        meta[slot, LINK] = -2 - counts[FREE_HEAD]
        counts[FREE_HEAD] = slot + 1
        counts[FREE] += 1


@lean
def note(undo: Ints, meta: Ints, counts: Ints, epoch: int, dirty: Slots, n: int) -> int:
    """Add the touched rows to those changed in this epoch, each once; returns how many there are now."""
    for i in range(counts[UNDO]):
        slot = undo[i] if undo[i] >= 0 else -1 - undo[i]
        if meta[slot, LINK] > 0 and meta[slot, LINK] != epoch:
            meta[slot, LINK] = epoch
            dirty[n] = slot
            n += 1
    counts[UNDO] = 0
    return n


@lean
def take_back(undo: Ints, before: Bytes, pending: Slots, meta: Ints, rows: Bytes, new: Ints, old: Ints, counts: Ints) -> None:
    """Put every touched row back as it was before the batch."""
    for i in range(counts[UNDO]):
        slot = undo[i]
        if slot >= 0:
            for k in range(rows.shape[1]):
                rows[slot, k] = before[i, k]
            continue
        slot = -1 - slot
        if meta[slot, LINK] > 0:
            remove(slot, meta, new, old, counts)
        rows[slot, :] = 0
        meta[slot, LINK] = -2 - counts[FREE_HEAD]
        counts[FREE_HEAD] = slot + 1
        counts[FREE] += 1
    # Only now: what the batch dropped may have come back under the same key as a row of its own, which is gone again.
    for i in range(pending.shape[0]):
        slot = pending[i]
        if meta[slot, LINK] == PENDING:
            meta[slot, LINK] = LIVE
            insert(slot, meta, new, old, counts)
    counts[UNDO] = 0


@lean
def gather(slots: Slots, meta: Ints, rows: Bytes, keys_out: Hashes, rows_out: Bytes) -> int:
    """Copy the live ones of these rows and their keys; returns how many they are."""
    n = 0
    for i in range(slots.shape[0]):
        slot = slots[i]
        if meta[slot, LINK] > 0:
            keys_out[n, 0], keys_out[n, 1] = np.uint64(meta[slot, HI]), np.uint64(meta[slot, LO])
            for k in range(rows.shape[1]):
                rows_out[n, k] = rows[slot, k]
            n += 1
    return n


@compiled
def older(moments: Ints, meta: Ints, before: int) -> Slots:
    """Return the live rows whose moment lies before; 0 is none."""
    n = 0
    for slot in range(len(moments)):
        n += 0 < moments[slot] < before
    found = np.empty(n, np.int64)
    n = 0
    if len(found):
        for slot in range(len(moments)):
            if 0 < moments[slot] < before and meta[slot, LINK] > 0:
                found[n] = slot
                n += 1
    return found[:n]


@lean
def compact(meta: Ints, rows: Bytes, new: Ints, old: Ints, counts: Ints, epoch: int, dirty: Slots, n: int) -> int:
    """Move the last rows into the free places before them; the moved are changed in this epoch: returns how many rows are."""
    low, high = 0, counts[USED] - 1
    while True:
        while low < high and meta[low, LINK] > 0:
            low += 1
        while high >= low and meta[high, LINK] <= 0:
            high -= 1
        if low >= high:
            break
        hi, lo = meta[high, HI], meta[high, LO]
        cells = new if in_new(lo, old, counts) else old
        cell = probe(cells, hi, lo, meta)
        cells[cell] = (cells[cell] >> 32 << 32) | (low + 1)
        for k in range(rows.shape[1]):
            rows[low, k] = rows[high, k]
        for k in range(4):
            meta[low, k] = meta[high, k]
        meta[high, LINK] = PENDING
        meta[low, LINK] = epoch
        dirty[n] = low
        n += 1
    counts[USED] = counts[KEYS]
    counts[FREE], counts[FREE_HEAD] = 0, 0
    return n


@lean
def merge(slots: Slots, rows_in: Bytes, rows: Bytes, ends: Ints, end: int) -> None:
    """Replace each row unless an epoch that ended later has told it. ends: of the epoch that told each row, + 1; negative if dropped."""
    for i in range(slots.shape[0]):
        slot = slots[i]
        if abs(ends[slot]) <= end + 1:
            ends[slot] = end + 1
            for k in range(rows.shape[1]):
                rows[slot, k] = rows_in[i, k]


@lean
def bury(slots: Slots, ends: Ints, end: int) -> None:
    """Note that these rows were dropped, unless an epoch that ended later has told them."""
    for i in range(slots.shape[0]):
        if abs(ends[slots[i]]) <= end + 1:
            ends[slots[i]] = -end - 1
