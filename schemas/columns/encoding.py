"""How do columns become records? Field by field into one buffer, each record at a place of its own that is large enough."""

import io
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import fastavro
import numpy as np

from schemas.columns import writing
from schemas.columns.columns import Columns
from schemas.columns.framing import FRAME
from schemas.columns.layout import FieldLayout, Shape, layout
from schemas.columns.nullable import Column, Nullable
from schemas.columns.ragged import Ragged
from schemas.columns.strings import Strings
from schemas.columns.values import plain
from schemas.event import Event


def encode(columns: Columns[Any], schema_id: int) -> Strings:
    """Return one framed Avro record per row, in the schema of the event's class. Places do not overlap but may have gaps.

    Raises ValueError naming class, field and row for a value that a reader would refuse: not finite, out of its bounds, too long.
    """
    event: type[Event] = columns.event
    fixed, varying, fields = _recipe(event)
    if not fields:
        return _by_fastavro(columns, schema_id)
    start, at, everything = np.empty(columns.n, np.int64), np.empty(columns.n, np.int64), np.ones(columns.n, np.bool_)
    at.fill(fixed)
    for name, each in varying:
        column = columns.fields[name]
        inside = column.values if isinstance(column, Nullable) else column
        writing.add_sizes(at, inside.length if isinstance(inside, Strings) else inside.count, each)  # type: ignore[union-attr]
    out = np.empty(writing.place(at, start), np.uint8)
    writing.put_heads(out, at, schema_id)
    for name, field, put in fields:
        column = columns.fields[name]
        bad = (
            put(field, out, at, column.valid, column.values)
            if isinstance(column, Nullable)
            else put(field, out, at, everything, column)
        )
        if bad >= 0:
            raise ValueError(f"{event.__name__}.{name}, row {bad}: {_complaint(field, column, bad)}")
    return Strings(out, start, (at - start).astype(np.int32))


Put = Callable[[FieldLayout, Any, Any, Any, Any], int]
"""Field, buffer, places (moved on), which rows have a value, values -> the first row that cannot be sent, or -1."""


def _put_texts(field: FieldLayout, out: Any, at: Any, valid: Any, column: Strings) -> int:
    limits, utf8 = field.limits, field.shape is Shape.TEXT
    return writing.put_texts(
        out, at, valid, field.nullable, column.data, column.start, column.length, limits.low, limits.high, utf8
    )


def _put_doubles(field: FieldLayout, out: Any, at: Any, valid: Any, column: Any) -> int:
    return writing.put_doubles(out, at, valid, field.nullable, column, field.limits.least, field.limits.most)


def _put_longs(field: FieldLayout, out: Any, at: Any, valid: Any, column: Any) -> int:
    return writing.put_longs(out, at, valid, field.nullable, column, field.limits.low, field.limits.high)


def _put_decimals(field: FieldLayout, out: Any, at: Any, valid: Any, column: Any) -> int:
    return writing.put_decimals(out, at, valid, field.nullable, column, field.limits.low, field.limits.high)


def _put_octets(field: FieldLayout, out: Any, at: Any, valid: Any, column: Any) -> int:
    coded = field.shape is Shape.SYMBOL
    return writing.put_octets(out, at, valid, field.nullable, column.view(np.uint8), field.limits.high, coded)


def _put_lists(field: FieldLayout, out: Any, at: Any, valid: Any, column: Ragged) -> int:
    limits, values = field.limits, column.values
    return writing.put_lists(
        out, at, valid, field.nullable, values.view(np.float64), values.view(np.int64), field.shape is Shape.INTS,
        column.start, column.count, limits.low, limits.high, limits.least, limits.most, limits.unknown,
    )  # fmt: skip


_PUT: dict[Shape, tuple[Put, int, int]] = {
    Shape.TEXT: (_put_texts, 13, 1), Shape.BYTES: (_put_texts, 13, 1), Shape.FLOAT: (_put_doubles, 8, 0),
    Shape.INT: (_put_longs, 10, 0), Shape.MOMENT: (_put_longs, 10, 0), Shape.BOOL: (_put_octets, 1, 0),
    Shape.SYMBOL: (_put_octets, 2, 0), Shape.DECIMAL: (_put_decimals, 9, 0), Shape.FLOATS: (_put_lists, 7, 8),
    Shape.INTS: (_put_lists, 7, 10),
}  # fmt: skip
"""How a kind of value is written, the most bytes it takes besides its elements, and the most that each of those takes."""


@cache
def _recipe(event: type[Event]) -> tuple[int, tuple[tuple[str, int], ...], tuple[tuple[str, FieldLayout, Put], ...]]:
    """Return the most bytes of a record besides its elements, the fields that have elements, and how each field is written.

    No fields: the class has some without a column type.
    """
    known = layout(event).fields
    if any(each.shape is Shape.OBJECT for each in known.values()):
        return 0, (), ()
    puts = {name: _PUT[field.shape] for name, field in known.items()}
    fixed = FRAME + sum(puts[name][1] + field.nullable for name, field in known.items())
    varying = tuple((name, each) for name, (_, _, each) in puts.items() if each)
    return fixed, varying, tuple((name, field, puts[name][0]) for name, field in known.items())


def _complaint(field: FieldLayout, column: Column, row: int) -> str:
    limits = field.limits
    inside = column.values if isinstance(column, Nullable) else column
    if isinstance(inside, Strings):
        kind = "bytes of UTF-8" if field.shape is Shape.TEXT else "bytes"
        return f"expected {limits.low} to {limits.high} {kind}, found {inside.length[row]}: {inside[row][:50]!r}"
    if isinstance(inside, Ragged):
        return (
            f"expected {limits.low} to {limits.high} finite numbers from {limits.least} to {limits.most}, "
            f"found {inside[row][:50].tolist()}"
        )
    span = (limits.least, limits.most) if field.shape is Shape.FLOAT else (limits.low, limits.high)
    return f"expected {field.shape.value} from {span[0]} to {span[1]}, found {inside[row]}"


def _by_fastavro(columns: Columns[Any], schema_id: int) -> Strings:
    """Encode a class that has fields without a column type."""
    schema = fastavro.parse_schema(dict(columns.layout.schema))
    head, names, made = struct.pack(">bI", 0, schema_id), list(columns.fields), []
    lists = [plain(columns.layout.fields[name], columns.fields[name]) for name in names]
    for values in zip(*lists, strict=True):
        target = io.BytesIO()
        fastavro.schemaless_writer(target, schema, dict(zip(names, values, strict=True)))
        made.append(head + target.getvalue())
    return Strings.of(made)
