"""How is a key found among the rows of a table? By open addressing over 128-bit hashes, in compiled loops.

An index cell holds a row number, FREE if it was never used, or GONE if its key was dropped: a probe goes on past it.
"""

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled

Slots = NDArray[np.int64]
Hashes = NDArray[np.uint64]
FREE, GONE = -1, -2


@compiled
def find(
    hashes: Hashes,
    create: bool,
    keys: Hashes,
    live: NDArray[np.bool_],
    index: NDArray[np.int32],
    stamp: NDArray[np.int64],
    batch: int,
    free: NDArray[np.int64],
    counts: NDArray[np.int64],
    out: Slots,
    touched: Slots,
) -> int:
    """Look up each hash; counts is [rows ever used, free numbers, index cells not FREE]. Returns how many rows were first touched."""
    mask = index.shape[0] - 1
    first = 0
    for i in range(hashes.shape[0]):
        hi, lo = hashes[i, 0], hashes[i, 1]
        cell = np.int64(lo & np.uint64(mask))
        hole = np.int64(-1)
        slot = np.int64(-1)
        while True:
            at = index[cell]
            if at == FREE:
                break
            if at == GONE:
                if hole < 0:
                    hole = cell
            elif keys[at, 0] == hi and keys[at, 1] == lo:
                slot = np.int64(at)
                break
            cell = (cell + 1) & mask
        if slot < 0 and create:
            if counts[1] > 0:
                counts[1] -= 1
                slot = free[counts[1]]
            else:
                slot = counts[0]
                counts[0] += 1
            keys[slot, 0] = hi
            keys[slot, 1] = lo
            live[slot] = True
            if hole >= 0:
                index[hole] = np.int32(slot)
            else:
                index[cell] = np.int32(slot)
                counts[2] += 1
            if stamp[slot] != batch:
                stamp[slot] = batch
                touched[first] = -slot - 1
                first += 1
        elif slot >= 0 and stamp[slot] != batch:
            stamp[slot] = batch
            touched[first] = slot
            first += 1
        out[i] = slot
    return first


@compiled
def seek(hashes: Hashes, keys: Hashes, index: NDArray[np.int32]) -> Slots:
    """Look up each hash and touch nothing; -1 where absent."""
    mask = index.shape[0] - 1
    out = np.full(hashes.shape[0], -1, np.int64)
    for i in range(hashes.shape[0]):
        cell = np.int64(hashes[i, 1] & np.uint64(mask))
        while index[cell] != FREE:
            at = index[cell]
            if at >= 0 and keys[at, 0] == hashes[i, 0] and keys[at, 1] == hashes[i, 1]:
                out[i] = at
                break
            cell = (cell + 1) & mask
    return out


@compiled
def forget(hi: np.uint64, lo: np.uint64, keys: Hashes, index: NDArray[np.int32]) -> None:
    """Take one key out of the index; the key must be there."""
    mask = index.shape[0] - 1
    cell = np.int64(lo & np.uint64(mask))
    while True:
        at = index[cell]
        if at >= 0 and keys[at, 0] == hi and keys[at, 1] == lo:
            index[cell] = GONE
            return
        cell = (cell + 1) & mask


@compiled
def reindex(keys: Hashes, live: NDArray[np.bool_], used: int, index: NDArray[np.int32]) -> int:
    """Fill an empty index from the live rows; returns how many there are."""
    mask = index.shape[0] - 1
    count = 0
    for slot in range(used):
        if live[slot]:
            cell = np.int64(keys[slot, 1] & np.uint64(mask))
            while index[cell] != FREE:
                cell = (cell + 1) & mask
            index[cell] = np.int32(slot)
            count += 1
    return count


@compiled
def release(
    slots: Slots,
    keys: Hashes,
    live: NDArray[np.bool_],
    index: NDArray[np.int32],
    free: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    for i in range(slots.shape[0]):
        slot = slots[i]
        if slot >= 0 and live[slot]:
            forget(keys[slot, 0], keys[slot, 1], keys, index)
            live[slot] = False
            free[counts[1]] = slot
            counts[1] += 1
