"""How do columns become the rows of a binary COPY, without a Python object for each value?

A row is its number of fields and then, for each field, its length and its bytes, all big-endian; -1 is null. Every column says
how many bytes each of its rows takes; then each fills its places in one buffer.
Format: PostgreSQL's manual, COPY, "Binary Format".
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumers.tables import is_copied
from schemas.columns import Column, Columns, Nullable, Ragged, Strings
from schemas.columns.arrays import Bools, Bytes, Int32s, Int64s
from schemas.columns.compiled import BIT, I32, I64, U8, kernel, reads, writes
from schemas.columns.layout import FieldLayout, Shape

HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TAIL = struct.pack("!h", -1)
"""What stands before and after the rows."""

_EPOCH_MS = 946_684_800_000
"""Postgres counts from 2000-01-01, in microseconds."""
_TEXT, _BIGINT, _DOUBLE = 25, 20, 701
"""Type numbers of Postgres, fixed for ever."""


@dataclass(frozen=True, slots=True)
class _Texts:
    """Any bytes, as they are."""

    texts: Strings
    valid: Bools

    def sizes(self) -> Int64s:
        return np.where(self.valid, self.texts.length, 0).astype(np.int64)

    def put(self, cursor: Int64s, out: Bytes) -> None:
        _put_texts(self.texts.data, self.texts.start, self.texts.length, self.valid, cursor, out)


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Values of one width. cells: uint8[n, width], big-endian."""

    cells: NDArray[np.uint8]
    valid: Bools

    def sizes(self) -> Int64s:
        return np.where(self.valid, self.cells.shape[1], 0).astype(np.int64)

    def put(self, cursor: Int64s, out: Bytes) -> None:
        _put_fixed(self.cells, self.valid, cursor, out)


@dataclass(frozen=True, slots=True)
class _Lists:
    """Arrays of numbers of 8 bytes. cells: uint8[all values, 8], big-endian; kind: their type number."""

    cells: NDArray[np.uint8]
    start: Int64s
    count: Int32s
    valid: Bools
    kind: int

    def sizes(self) -> Int64s:
        # An empty array has no dimension; any other has one, with its length and its lower bound.
        return np.where(self.valid, 12 + 12 * self.count.astype(np.int64) + 8 * (self.count > 0), 0)

    def put(self, cursor: Int64s, out: Bytes) -> None:
        _put_lists(self.cells, self.start, self.count, self.valid, self.kind, cursor, out)


_Cells = _Texts | _Fixed | _Lists
_DTYPES = {Shape.BOOL: "u1", Shape.FLOAT: ">f8", Shape.INT: ">i8", Shape.DECIMAL: ">i8"}
"""Big-endian types; a decimal travels unscaled."""


def _big_endian(values: NDArray[Any], dtype: str) -> NDArray[np.uint8]:
    swapped = np.ascontiguousarray(values.astype(dtype))
    return swapped.view(np.uint8).reshape(len(values), swapped.dtype.itemsize)


def _text_array(texts: Sequence[str]) -> bytes:
    head = struct.pack("!iii", 1, 0, _TEXT) + struct.pack("!ii", len(texts), 1) if texts else struct.pack("!iii", 0, 0, _TEXT)
    cells = (text.encode() for text in texts)
    return head + b"".join(struct.pack("!i", len(cell)) + cell for cell in cells)


def _moments(ms: NDArray[np.int64]) -> NDArray[np.uint8]:
    return _big_endian((ms - _EPOCH_MS) * 1000, ">i8")


def _cells(field: FieldLayout, column: Column) -> _Cells:
    """Return a column as cells."""
    if isinstance(column, Nullable):
        values, valid = column.values, column.valid
    else:
        values, valid = column, np.ones(len(column), np.bool_)
    if isinstance(values, Strings):
        return _Texts(values, valid & (values.length >= 0))
    if isinstance(values, Ragged):
        kind, dtype = (_BIGINT, ">i8") if field.shape is Shape.INTS else (_DOUBLE, ">f8")
        return _Lists(_big_endian(values.values, dtype), values.start, values.count, valid, kind)
    if field.shape is Shape.SYMBOL:
        return _Texts(Strings.of(field.symbols).take(np.where(valid, values, 0).astype(np.int64)), valid)
    if field.shape is Shape.OBJECT:  # lists of texts; a null one is None
        arrays = Strings.of(None if texts is None else _text_array(texts) for texts in values)
        return _Texts(arrays, arrays.length >= 0)
    if field.shape is Shape.MOMENT:
        return _Fixed(_moments(values), valid)
    return _Fixed(_big_endian(values, _DTYPES[field.shape]), valid)


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows stand in the log of a topic: partitions int32[n], offsets int64[n], append times int64[n] (epoch ms)."""

    topic: str
    partitions: Int32s
    offsets: Int64s
    appended_at: Int64s


def rows(columns: Columns[Any], place: Place) -> Bytes:
    """Return the rows of one event class as COPY's bytes, in the order of the columns of its history table."""
    n = len(columns)
    always = np.ones(n, np.bool_)
    cells = [_cells(field, columns[name]) for name, field in columns.layout.fields.items()]
    if is_copied(columns.event):
        cells.append(_Texts(Strings.repeated(place.topic, n), always))
    cells += [
        _Fixed(_big_endian(place.partitions, ">i4"), always),
        _Fixed(_big_endian(place.offsets, ">i8"), always),
        _Fixed(_moments(place.appended_at), always),
    ]
    sizes = np.full(n, 2 + 4 * len(cells), np.int64)
    for each in cells:
        sizes += each.sizes()
    ends = np.cumsum(sizes)
    out = np.empty(int(ends[-1]) if n else 0, np.uint8)
    cursor = ends - sizes
    _put_counts(len(cells), cursor, out)
    for each in cells:
        each.put(cursor, out)
    return out


def unfit(columns: Columns[Any]) -> Bools:
    """Return which rows hold a text with a NUL character, which Postgres does not keep: bool[n]."""
    found = np.zeros(len(columns), np.bool_)
    for name, field in columns.layout.fields.items():
        column = columns[name]
        texts = column.values if isinstance(column, Nullable) else column
        if isinstance(texts, Strings) and field.shape is Shape.TEXT:
            _find_nul(texts.data, texts.start, texts.length, found)
        elif field.shape is Shape.OBJECT:
            found |= np.fromiter((any("\0" in text for text in each or ()) for each in texts), np.bool_, len(columns))
    return found


@kernel(I64, reads(U8), reads(I64), reads(I32), writes(BIT))
def _find_nul(data: Bytes, start: Int64s, length: Int32s, found: Bools) -> int:
    for i in range(start.shape[0]):
        for k in range(length[i]):
            if data[start[i] + k] == 0:
                found[i] = True
    return 0


@kernel(I64, I64, writes(I64), writes(U8))
def _put_counts(count: int, cursor: Int64s, out: Bytes) -> int:
    for i in range(cursor.shape[0]):
        at = cursor[i]
        out[at] = count >> 8
        out[at + 1] = count & 255
        cursor[i] = at + 2
    return 0


@kernel(I64, reads(U8), reads(I64), reads(I32), reads(BIT), writes(I64), writes(U8))
def _put_texts(data: Bytes, start: Int64s, length: Int32s, valid: Bools, cursor: Int64s, out: Bytes) -> int:
    for i in range(cursor.shape[0]):
        at = cursor[i]
        size = length[i] if valid[i] else -1
        for k in range(4):
            out[at + k] = (size >> (24 - 8 * k)) & 255
        at += 4
        first = start[i]
        for k in range(size):
            out[at + k] = data[first + k]
        cursor[i] = at + max(size, 0)
    return 0


@kernel(I64, reads(U8, 2), reads(BIT), writes(I64), writes(U8))
def _put_fixed(cells: NDArray[np.uint8], valid: Bools, cursor: Int64s, out: Bytes) -> int:
    width = cells.shape[1]
    for i in range(cursor.shape[0]):
        at = cursor[i]
        if valid[i]:
            out[at] = out[at + 1] = out[at + 2] = 0
            out[at + 3] = width
            for k in range(width):
                out[at + 4 + k] = cells[i, k]
            cursor[i] = at + 4 + width
        else:
            out[at] = out[at + 1] = out[at + 2] = out[at + 3] = 255
            cursor[i] = at + 4
    return 0


@kernel(I64, reads(U8, 2), reads(I64), reads(I32), reads(BIT), I64, writes(I64), writes(U8))
def _put_lists(
    cells: NDArray[np.uint8], start: Int64s, count: Int32s, valid: Bools, kind: int, cursor: Int64s, out: Bytes
) -> int:
    for i in range(cursor.shape[0]):
        at = cursor[i]
        if not valid[i]:
            for k in range(4):
                out[at + k] = 255
            cursor[i] = at + 4
            continue
        many = np.int64(count[i])
        dims = 1 if many > 0 else 0
        size = 12 + 12 * many + 8 * dims
        head = (
            size,
            dims,
            0,
            kind,
            many,
            1,
        )  # length; then dimensions, flags, type, and for one dimension its length and lower bound
        for h in range(4 + 2 * dims):
            for k in range(4):
                out[at + k] = (head[h] >> (24 - 8 * k)) & 255
            at += 4
        first = start[i]
        for j in range(many):
            out[at] = out[at + 1] = out[at + 2] = 0
            out[at + 3] = 8
            for k in range(8):
                out[at + 4 + k] = cells[first + j, k]
            at += 12
        cursor[i] = at
    return 0
