"""How do columns become records? Field by field into one buffer, each record at a place of its own that is large enough."""

import io
import struct
from typing import Any

import fastavro
import numpy as np

from schemas.columns import writing
from schemas.columns.columns import Columns
from schemas.columns.framing import FRAME
from schemas.columns.layout import FieldLayout, Shape
from schemas.columns.nullable import Column, Nullable
from schemas.columns.ragged import Ragged
from schemas.columns.strings import Strings
from schemas.columns.values import plain


def encode(columns: Columns[Any], schema_id: int) -> Strings:
    """Return one framed Avro record per row, in the schema of the event's class. Places do not overlap but may have gaps.

    Raises ValueError naming class, field and row for a value that a reader would refuse: not finite, out of its bounds, too long.
    """
    known = columns.layout.fields
    if any(each.shape is Shape.OBJECT for each in known.values()):
        return _by_fastavro(columns, schema_id)
    start, total = _places(columns)
    out, at, everything = np.empty(total, np.uint8), start.copy(), np.ones(columns.n, np.bool_)
    writing.put_heads(out, at, schema_id)
    for name, field in known.items():
        column = columns.fields[name]
        valid = column.valid if isinstance(column, Nullable) else everything
        bad = _put(field, out, at, valid, column.values if isinstance(column, Nullable) else column)
        if bad >= 0:
            raise ValueError(f"{columns.event.__name__}.{name}, row {bad}: {_complaint(field, column, bad)}")
    return Strings(out, start, (at - start).astype(np.int32))


_WIDEST = {Shape.FLOAT: 8, Shape.INT: 10, Shape.MOMENT: 10, Shape.BOOL: 1, Shape.SYMBOL: 2, Shape.DECIMAL: 9}


def _places(columns: Columns[Any]) -> tuple[Any, int]:
    """Return where each record may begin, and the size of the buffer."""
    fixed, size = FRAME, np.zeros(columns.n, np.int64)
    for name, field in columns.layout.fields.items():
        column = columns.fields[name]
        inside = column.values if isinstance(column, Nullable) else column
        fixed += field.nullable
        if isinstance(inside, Strings):
            fixed += 13
            writing.add_sizes(size, inside.length, 1)
        elif isinstance(inside, Ragged):
            fixed += 7
            writing.add_sizes(size, inside.count, 8 if field.shape is Shape.FLOATS else 10)
        else:
            fixed += _WIDEST[field.shape]
    size += fixed
    ends = np.cumsum(size)
    return ends - size, int(ends[-1]) if len(ends) else 0


def _put(field: FieldLayout, out: Any, at: Any, valid: Any, column: Any) -> int:
    union, limits = field.nullable, field.limits
    if field.shape in (Shape.TEXT, Shape.BYTES):
        return writing.put_texts(
            out, at, valid, union, column.data, column.start, column.length, limits.low, limits.high, field.shape is Shape.TEXT
        )
    if field.shape is Shape.FLOAT:
        return writing.put_doubles(out, at, valid, union, column, limits.least, limits.most)
    if field.shape in (Shape.INT, Shape.MOMENT):
        return writing.put_longs(out, at, valid, union, column, limits.low, limits.high)
    if field.shape is Shape.DECIMAL:
        return writing.put_decimals(out, at, valid, union, column, limits.low, limits.high)
    if field.shape in (Shape.BOOL, Shape.SYMBOL):
        return writing.put_octets(out, at, valid, union, column.view(np.uint8), limits.high, field.shape is Shape.SYMBOL)
    return writing.put_lists(
        out, at, valid, union, column.values.view(np.float64), column.values.view(np.int64), field.shape is Shape.INTS,
        column.start, column.count, limits.low, limits.high, limits.least, limits.most, limits.unknown,
    )  # fmt: skip


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
