"""Which arrays do columns consist of? One dtype per kind of value, so kernels are compiled once."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Codes = NDArray[np.int16]
Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64] | NDArray[np.int32] | NDArray[np.intp] | NDArray[np.bool_] | slice | list[int]
"""What `take` accepts: row numbers, a mask, or a slice (then arrays are views)."""


def exact(values: ArrayLike, dtype: Any) -> NDArray[Any]:
    """Return the values as one contiguous array of this dtype; the same array if it already is one."""
    return np.ascontiguousarray(values, dtype=dtype)
