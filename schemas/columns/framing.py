"""Which schema was each record written with, and which records go together? One look at the first five bytes of every value."""

import numpy as np

from schemas.columns.arrays import Bytes, Codes, Int32s, Int64s
from schemas.columns.compiled import I16, I32, I64, U8, kernel, reads, writes
from schemas.columns.opcodes import GOOD, NO_BYTES, NO_FRAME, NO_SCHEMA, NO_VALUE, REFUSED, TOO_BIG

FRAME, LARGEST = 5, 1_000_000
"""Bytes: a zero and the big-endian schema id before the Avro, and the largest value that is looked at."""


@kernel(
    I64, reads(U8), reads(I64), reads(I32), reads(I64), reads(I32), writes(I16), writes(I64), writes(I32), writes(I64), writes(I64),
)  # fmt: skip
def frame(
    data: Bytes, start: Int64s, length: Int32s, known: Int64s, plan_of: Int32s,
    fault: Codes, schema_id: Int64s, plan: Int32s, begin: Int64s, end: Int64s,
) -> int:  # fmt: skip
    """Find each record's fault or its schema id, plan and Avro bytes; return how many have an id that is not known.

    known: sorted ids; plan_of: their plans, negative for one that cannot be used. fault, schema_id, plan, begin, end: one entry per
    record, filled.
    """
    unknown = 0
    last_id, last_plan = np.int64(-1), np.int32(0)
    for i in range(start.shape[0]):
        size, at = length[i], start[i]
        fault[i], schema_id[i], plan[i], begin[i], end[i] = GOOD, -1, 0, at, at
        if size < 0:
            fault[i] = NO_VALUE
        elif size == 0:
            fault[i] = NO_BYTES
        elif size > LARGEST:
            fault[i] = TOO_BIG
        elif size < FRAME or data[at] != 0:
            fault[i] = NO_FRAME
        else:
            found = (
                np.int64(data[at + 1]) << 24 | np.int64(data[at + 2]) << 16 | np.int64(data[at + 3]) << 8 | np.int64(data[at + 4])
            )
            schema_id[i], begin[i], end[i] = found, at + FRAME, at + size
            if found != last_id:
                low, high = 0, known.shape[0]
                while low < high:
                    middle = (low + high) // 2
                    if known[middle] < found:
                        low = middle + 1
                    else:
                        high = middle
                if low == known.shape[0] or known[low] != found:
                    fault[i] = NO_SCHEMA
                    unknown += 1
                    continue
                last_id, last_plan = found, plan_of[low]
            plan[i] = last_plan
            if last_plan < 0:
                fault[i] = REFUSED
    return unknown


@kernel(I64, reads(U8), reads(I64), reads(I32))
def outside(data: Bytes, start: Int64s, length: Int32s) -> int:
    """Return the first row whose place is not inside the buffer, -1 if there is none."""
    for i in range(start.shape[0]):
        if length[i] > 0 and (start[i] < 0 or start[i] > data.shape[0] - length[i]):
            return i
    return -1


@kernel(I64, reads(I16), reads(I32), reads(I64), writes(I64), writes(I64), writes(I64), writes(I64))
def arrange(fault: Codes, plan: Int32s, kind_of: Int64s, rooms: Int64s, ends: Int64s, order: Int64s, row: Int64s) -> int:
    """Give every record without a fault a row among those of its kind; return how many there are.

    kind_of: of each plan. Filled: rooms, rows per kind; ends, order: the records of plan p are order[ends[p] - their number : ends[p]],
    in log order; row: of each record.
    """
    for i in range(fault.shape[0]):
        if fault[i] == GOOD:
            ends[plan[i]] += 1
    total = 0
    for p in range(kind_of.shape[0]):
        ends[p], total = total, total + ends[p]
    for i in range(fault.shape[0]):
        if fault[i] == GOOD:
            p = plan[i]
            k = kind_of[p]
            order[ends[p]], row[i] = i, rooms[k]
            ends[p] += 1
            rooms[k] += 1
    return total


@kernel(I64, reads(I16), reads(I32), reads(I64), writes(I16), writes(I32), writes(I64))
def settle(fault: Codes, plan: Int32s, kind_of: Int64s, kind: Codes, row: Int32s, good: Int64s) -> int:
    """Fill each record's kind (-1 if bad) and its row among the good ones; good: rows per kind. Return how many are bad."""
    bad = 0
    for i in range(fault.shape[0]):
        if fault[i] == GOOD:
            k = kind_of[plan[i]]
            kind[i], row[i] = k, good[k]
            good[k] += 1
        else:
            kind[i], row[i] = -1, -1
            bad += 1
    return bad
