"""How are n lists of numbers kept without n objects? As places in one array of numbers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns.arrays import Floats, Int32s, Int64s, Rows, exact
from schemas.columns.compiled import F64, I32, I64, kernel, reads, writes


class Ragged:
    """n lists of numbers: `values[start[i] : start[i] + count[i]]`, float64 (int64 for a field of type list[int])."""

    __slots__ = ("count", "start", "values")

    def __init__(self, values: NDArray[Any], start: Int64s, count: Int32s) -> None:
        """values: float64 or int64, any length. start: int64[n]. count: int32[n]; every list must lie inside values."""
        kind = np.int64 if getattr(values, "dtype", None) == np.int64 else np.float64
        self.values, self.start, self.count = exact(values, kind), exact(start, np.int64), exact(count, np.int32)

    @classmethod
    def of(cls, lists: NDArray[Any] | Sequence[Sequence[float]], dtype: Any = np.float64) -> "Ragged":
        """Return a column of these lists. lists: (n, k) array, not copied if it can be helped, or n lists of any length."""
        if isinstance(lists, np.ndarray) and lists.ndim == 2:
            n, width = lists.shape
            return cls(exact(lists, dtype).reshape(-1), np.arange(n, dtype=np.int64) * width, np.full(n, width, np.int32))
        count = np.fromiter((len(each) for each in lists), np.int32, len(lists))
        size = count.astype(np.int64)
        values = np.array([value for each in lists for value in each], dtype)
        return cls(values, np.cumsum(size) - size, count)

    @classmethod
    def concat(cls, parts: Sequence["Ragged"]) -> "Ragged":
        """Return the parts one after the other, in one new array."""
        packed = [part.pack() for part in parts]
        sizes = np.cumsum([0, *(len(part.values) for part in packed)])
        start = np.concatenate([np.empty(0, np.int64), *(p.start + at for p, at in zip(packed, sizes, strict=False))])
        count = np.concatenate([np.empty(0, np.int32), *(part.count for part in packed)])
        return cls(np.concatenate([part.values for part in packed]) if packed else np.empty(0), start, count)

    def __len__(self) -> int:
        """Return n."""
        return len(self.start)

    def __getitem__(self, row: int) -> NDArray[Any]:
        """Return one list, a view."""
        start = int(self.start[row])
        return self.values[start : start + int(self.count[row])]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the lists, views."""
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        """Show the first few."""
        return f"Ragged({self.take(slice(3)).tolist()}{'...' if len(self) > 3 else ''}, n={len(self)})"

    def tolist(self) -> list[list[Any]]:
        """Return the lists as plain Python numbers."""
        return [self[row].tolist() for row in range(len(self))]

    def take(self, rows: Rows) -> "Ragged":
        """Return these rows; the numbers are shared."""
        return Ragged(self.values, self.start[rows], self.count[rows])

    def matrix(self, width: int) -> NDArray[Any]:
        """Return the lists as rows of a new (n, width) array. Raises ValueError if a list has another length."""
        wrong = np.flatnonzero(self.count != width)
        if len(wrong):
            raise ValueError(f"row {wrong[0]}: expected a list of {width} numbers, found {self.count[wrong[0]]}")
        return self.pack().values.reshape(len(self), width)

    def pack(self) -> "Ragged":
        """Return the same lists in a new array that holds nothing else, in order: what to keep when the batch goes."""
        size = self.count.astype(np.int64)
        ends = np.cumsum(size)
        values = np.empty(int(ends[-1]) if len(ends) else 0, np.float64)
        _pack(self.values.view(np.float64), self.start, self.count, values)
        return Ragged(values.view(self.values.dtype), ends - size, self.count)


@kernel(I64, reads(F64), reads(I64), reads(I32), writes(F64))
def _pack(values: Floats, start: Int64s, count: Int32s, out: Floats) -> int:
    at = 0
    for i in range(start.shape[0]):
        first = start[i]
        for k in range(count[i]):
            out[at + k] = values[first + k]
        at += count[i]
    return at
