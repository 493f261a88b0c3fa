"""How does a column meet Python? Plain values in and out, for tests, sinks and pages, never on the hot path."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from schemas.columns.arrays import exact
from schemas.columns.layout import FieldLayout, Shape
from schemas.columns.limits import EPOCH, millis
from schemas.columns.nullable import Column, Nullable
from schemas.columns.ragged import Ragged
from schemas.columns.strings import Strings

_EMPTY: dict[Shape, Any] = {
    Shape.TEXT: "", Shape.BYTES: b"", Shape.FLOAT: float("nan"), Shape.BOOL: False, Shape.FLOATS: (), Shape.INTS: (),
}  # fmt: skip


def moment(ms: int) -> datetime:
    """Return milliseconds since 1970 as an aware UTC time.

    >>> moment(946684800000).isoformat()
    '2000-01-01T00:00:00+00:00'
    """
    return EPOCH + timedelta(milliseconds=ms)


def objects(values: Sequence[Any]) -> NDArray[Any]:
    """Return values as an object array of one dimension, whatever they are."""
    made = np.empty(len(values), object)
    made[:] = list(values) if len(values) else None
    return made


def column(field: FieldLayout, value: Any) -> Column:
    """Return what was given for a field as its column. value: a column, an array or a list of numbers (symbols as codes, times as ms).

    A plain column given for a nullable field has no nulls. Raises TypeError where a column cannot be one of this field.
    """
    if _is_one(field, value):
        return value  # type: ignore[no-any-return]  # a column, as was seen
    if field.nullable and field.shape is not Shape.OBJECT:
        inside = value if isinstance(value, Nullable) else Nullable(value, np.ones(len(value), np.bool_))
        return Nullable(_plain_column(field, inside.values), inside.valid)  # type: ignore[arg-type]  # never nullable twice
    return _plain_column(field, value)


def _is_one(field: FieldLayout, value: Any) -> bool:
    """Whether this is a column of the field as it stands: a quick look that finds the usual ones."""
    kind = type(value)
    if field.nullable:
        if kind is not Nullable:
            return False
        value = value.values
        kind = type(value)
    if kind is np.ndarray:
        return value.dtype is field.dtype and value.ndim == 1 and value.flags.c_contiguous
    return kind is Strings and (field.shape is Shape.TEXT or field.shape is Shape.BYTES)


def _plain_column(field: FieldLayout, value: Any) -> Column:
    if isinstance(value, Nullable):
        raise TypeError(f"field {field.name}: expected a column without nulls, found {value!r}")
    if field.shape in (Shape.TEXT, Shape.BYTES):
        return value if isinstance(value, Strings) else Strings.of(value)
    if field.shape in (Shape.FLOATS, Shape.INTS):
        dtype = np.float64 if field.shape is Shape.FLOATS else np.int64
        ragged = value if isinstance(value, Ragged) else Ragged.of(value, dtype)
        return ragged if ragged.values.dtype == dtype else Ragged(ragged.values.astype(dtype), ragged.start, ragged.count)
    if field.shape is Shape.OBJECT:
        return value if isinstance(value, np.ndarray) and value.dtype == object else objects(value)
    if isinstance(value, Strings | Ragged):
        raise TypeError(f"field {field.name}: expected {field.shape.value}, found {value!r}")
    array = np.asarray(value)
    if field.shape is Shape.SYMBOL and array.dtype.kind == "i" and len(array) and array.min() >= 0 and array.max() < 256:
        array = array.astype(np.uint8)
    if array.ndim != 1 or (len(array) and not np.can_cast(array.dtype, _dtype(field), "same_kind")):
        raise TypeError(f"field {field.name}: expected {field.shape.value}, one each, found {array.dtype} of shape {array.shape}")
    return exact(array, _dtype(field))


def _dtype(field: FieldLayout) -> np.dtype[Any]:
    return cast("np.dtype[Any]", field.dtype)


def of_plain(field: FieldLayout, values: Sequence[Any]) -> Column:
    """Return plain values (datetime, str, symbol, Decimal, None, ...) as the column of a field."""
    shape = field.shape
    if shape is Shape.OBJECT:
        return objects(values)
    valid = np.fromiter((value is not None for value in values), np.bool_, len(values))
    to = _coders(field)
    codes = [_EMPTY.get(shape, 0) if value is None else to(value) for value in values]
    if shape in (Shape.TEXT, Shape.BYTES):
        made: Column = Strings.of(codes)
    elif shape in (Shape.FLOATS, Shape.INTS):
        made = Ragged.of(codes, np.float64 if shape is Shape.FLOATS else np.int64)
    else:
        made = np.array(codes, _dtype(field))
    return Nullable(made, valid) if field.nullable else made  # type: ignore[arg-type]  # never nullable twice


def _coders(field: FieldLayout) -> Callable[[Any], Any]:
    if field.shape is Shape.MOMENT:
        return millis
    if field.shape is Shape.SYMBOL:
        return field.symbols.index
    if field.shape is Shape.DECIMAL:
        return lambda value: _unscaled(field, value)
    return lambda value: value


def _unscaled(field: FieldLayout, value: Decimal) -> int:
    scaled = value.scaleb(field.scale)
    if scaled != int(scaled):
        raise ValueError(f"field {field.name}: expected at most {field.scale} decimal places, found {value}")
    return int(scaled)


def plain(field: FieldLayout, values: Column) -> list[Any]:
    """Return a column as plain Python values: aware UTC times, text, symbols, Decimal, lists, None."""
    if isinstance(values, Nullable):
        inside = plain(field, values.values)
        return [value if valid else None for value, valid in zip(inside, values.valid.tolist(), strict=True)]
    if isinstance(values, Strings):
        return values.tolist() if field.shape is Shape.TEXT else values.raws()
    if isinstance(values, Ragged):
        return values.tolist()
    if field.shape is Shape.MOMENT:
        return [moment(ms) for ms in values.tolist()]
    if field.shape is Shape.SYMBOL:
        return [field.symbols[code] for code in values.tolist()]
    if field.shape is Shape.DECIMAL:
        return [Decimal(digits).scaleb(-field.scale) for digits in values.tolist()]
    return values.tolist()  # type: ignore[no-any-return]  # by the field's shape
