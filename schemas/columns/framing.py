"""Which schema was each record written with? One look at the first five bytes of every value."""

import numpy as np

from schemas.columns.arrays import Bytes, Codes, Int32s, Int64s
from schemas.columns.compiled import I16, I32, I64, U8, kernel, reads, writes
from schemas.columns.opcodes import GOOD, NO_BYTES, NO_FRAME, NO_SCHEMA, NO_VALUE, TOO_BIG

FRAME, LARGEST = 5, 1_000_000
"""Bytes: a zero and the big-endian schema id before the Avro, and the largest value that is looked at."""


@kernel(
    I64, reads(U8), reads(I64), reads(I32), reads(I64), reads(I32), writes(I16), writes(I64), writes(I32), writes(I64), writes(I64),
    writes(I64),
)  # fmt: skip
def frame(
    data: Bytes, start: Int64s, length: Int32s, known: Int64s, plan_of: Int32s,
    fault: Codes, schema_id: Int64s, plan: Int32s, begin: Int64s, end: Int64s, counts: Int64s,
) -> int:  # fmt: skip
    """Find each record's fault or its schema id, plan and Avro bytes; return how many have an id that is not known.

    known: sorted ids; plan_of: their plans, negative for one that cannot be used (minus its number in the list of refusals).
    fault, schema_id, plan, begin, end: one entry per record, filled. counts: records per plan, filled.
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
            if last_plan >= 0:
                counts[last_plan] += 1
    return unknown
