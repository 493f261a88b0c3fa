"""What is known of the records that are decoded together? One row of numbers each, in an array that stays in the cache.

Fields are read one after the other for a whole block of records of one schema: a loop per kind of field, without a choice inside.
"""

from typing import Any

import numpy as np
from numba import from_dtype
from numpy.typing import NDArray

SIZE = 512
"""Records in a block."""

_DTYPE = np.dtype(
    [
        ("pos", "i8"),  # the next byte, or minus the fault of the bytes
        ("end", "i8"),  # behind the last byte
        ("whole", "i8"),  # the value of the field being read, or its size
        ("real", "f8"),  # the value of a field that is not whole
        ("begin", "i8"),  # where the field's bytes or numbers lie
        ("row", "i8"),  # in the columns
        ("record", "i8"),  # position in the batch
        ("found_whole", "i8"),  # what was found to be wrong
        ("found_real", "f8"),
        ("where", "i4"),  # the row of the plan where it was found
        ("bad", "i2"),  # the first fault of a value
        ("valid", "u1"),  # 0 if the field being read is null
    ],
    align=True,
)
RECORD = from_dtype(_DTYPE)

Block = Any
"""Rows of RECORD; numba reads `block[b].pos`, which no annotation of numpy's can say."""


def new_block() -> NDArray[Any]:
    """Return room for a block."""
    return np.empty(SIZE, _DTYPE)
