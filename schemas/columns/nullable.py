"""How is a field kept that may be null? As a column of values beside a column that says which of them count."""

from collections.abc import Iterator
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.columns.arrays import Bools, Rows, exact
from schemas.columns.ragged import Ragged
from schemas.columns.strings import Strings

PlainColumn: TypeAlias = "NDArray[Any] | Strings | Ragged"


class Nullable:
    """n values of which some are null: where `valid` is False the value means nothing."""

    __slots__ = ("valid", "values")

    def __init__(self, values: PlainColumn, valid: Bools) -> None:
        """values: any other column of n. valid: bool[n]."""
        self.values, self.valid = values, exact(valid, np.bool_)

    @classmethod
    def of_floats(cls, values: NDArray[Any]) -> "Nullable":
        """Return float64[n] as a column whose nan are null."""
        floats = exact(values, np.float64)
        return cls(floats, ~np.isnan(floats))

    def __len__(self) -> int:
        """Return n."""
        return len(self.valid)

    def __iter__(self) -> Iterator[Any]:
        """Yield the values, None for null."""
        return (value if valid else None for value, valid in zip(self.values, self.valid, strict=True))

    def __repr__(self) -> str:
        """Show the values and how many are null."""
        return f"Nullable({self.values!r}, {int(np.count_nonzero(~self.valid))} null)"

    def filled(self, filler: Any = None) -> Any:
        """Return the values as a plain column with the filler where they are null.

        filler: nan by default for floats, "" for texts; any other column needs one. Raises TypeError for lists of numbers.
        """
        if isinstance(self.values, Strings):
            other = Strings.repeated(filler or "", len(self))
            both = Strings.concat([self.values, other])
            return both.take(np.where(self.valid, 0, len(self)) + np.arange(len(self)))
        if isinstance(self.values, Ragged):
            raise TypeError("lists of numbers have no filler: look at `valid`")
        if filler is None and self.values.dtype != np.float64:
            raise TypeError(f"a column of {self.values.dtype} has no value that means null: say which filler")
        return np.where(self.valid, self.values, self.values.dtype.type(np.nan if filler is None else filler))

    def take(self, rows: Rows) -> "Nullable":
        """Return these rows."""
        return Nullable(take(self.values, rows), self.valid[rows])


Column: TypeAlias = "PlainColumn | Nullable"
AnyColumn = TypeVar("AnyColumn", bound=Column)


def take(column: AnyColumn, rows: Rows) -> AnyColumn:
    """Return these rows of any column."""
    if isinstance(column, np.ndarray):
        return column[rows]  # type: ignore[return-value]  # an array of rows of an array
    return column.take(rows)  # type: ignore[return-value]  # takes are of the same type


def concat(parts: list[Any]) -> Column:
    """Return columns of one type, one after the other. Raises ValueError if there is none."""
    first = parts[0] if parts else None
    if isinstance(first, Nullable):
        return Nullable(concat([part.values for part in parts]), np.concatenate([part.valid for part in parts]))  # type: ignore[arg-type]
    if isinstance(first, Strings):
        return Strings.concat(parts)
    if isinstance(first, Ragged):
        return Ragged.concat(parts)
    return np.concatenate(parts)
