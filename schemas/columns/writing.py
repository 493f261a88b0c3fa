"""How is one column put behind what is already written of each record? One kernel per kind of value, a call per field.

Each takes out: the buffer, at: where each record's next byte goes (moved on), valid: which rows have a value, and union: whether a
branch is written first (0 for null, 1 for a value). It returns the first row whose value cannot be sent, -1 if there is none.
"""

import numpy as np

from schemas.columns.arrays import Bools, Bytes, Floats, Int32s, Int64s
from schemas.columns.compiled import BIT, F64, I32, I64, U8, inner, inner_always, kernel, reads, writes
from schemas.columns.wire import is_utf8, word


@inner
def _zigzag(out: Bytes, pos: int, value: int) -> int:
    left = np.uint64((value << 1) ^ (value >> 63))
    while left >= np.uint64(128):
        out[pos] = np.uint8(left & np.uint64(127)) | np.uint8(128)
        left >>= np.uint64(7)
        pos += 1
    out[pos] = np.uint8(left)
    return pos + 1


@inner
def _double(out: Bytes, pos: int, value: float) -> int:
    bits, p = np.float64(value).view(np.uint64), np.uint64(pos)
    for k in range(8):
        out[p + np.uint64(k)] = np.uint8((bits >> np.uint64(8 * k)) & np.uint64(255))
    return pos + 8


@inner_always
def _copy(out: Bytes, pos: int, data: Bytes, first: int, size: int) -> None:
    """Copy by eight bytes, up to seven too many (there is room, and the next field writes over them), if data has as many."""
    if first + size + 8 > data.shape[0]:
        for k in range(size):
            out[pos + k] = data[first + k]
        return
    for k in range(0, size, 8):
        eight = word(data, first + k)
        p = np.uint64(pos + k)
        for j in range(8):
            out[p + np.uint64(j)] = np.uint8((eight >> np.uint64(8 * j)) & np.uint64(255))


@kernel(I64, writes(I64), reads(I32), I64)
def add_sizes(total: Int64s, counts: Int32s, each: int) -> int:
    """Add to each total so many times its count; a negative count is none."""
    for i in range(total.shape[0]):
        total[i] += max(counts[i], 0) * each
    return 0


@kernel(I64, writes(I64), writes(I64))
def place(sizes: Int64s, start: Int64s) -> int:
    """Turn sizes into the places where each record begins, twice; return where the last may end."""
    total = 0
    for i in range(sizes.shape[0]):
        size = sizes[i]
        sizes[i], start[i] = total, total
        total += size
    return total


@kernel(I64, writes(U8), writes(I64), I64)
def put_heads(out: Bytes, at: Int64s, schema_id: int) -> int:
    """Write the five bytes before the Avro: a zero and the schema id, big endian."""
    for i in range(at.shape[0]):
        out[at[i]] = 0
        for k in range(4):
            out[at[i] + 1 + k] = (schema_id >> (24 - 8 * k)) & 255
        at[i] += 5
    return -1


_HEAD = (writes(U8), writes(I64), reads(BIT), BIT)


@kernel(I64, *_HEAD, reads(I64), I64, I64)
def put_longs(out: Bytes, at: Int64s, valid: Bools, union: bool, values: Int64s, low: int, high: int) -> int:
    """Write whole numbers from low to high: at most 10 bytes each."""
    for i in range(values.shape[0]):
        pos = at[i]
        if union:
            out[pos] = np.uint8(2) if valid[i] else np.uint8(0)
            pos += 1
        if valid[i]:
            if values[i] < low or values[i] > high:
                return i
            pos = _zigzag(out, pos, values[i])
        at[i] = pos
    return -1


@kernel(I64, *_HEAD, reads(F64), F64, F64)
def put_doubles(out: Bytes, at: Int64s, valid: Bools, union: bool, values: Floats, least: float, most: float) -> int:
    """Write numbers from least to most, never nan: 8 bytes each."""
    for i in range(values.shape[0]):
        pos = at[i]
        if union:
            out[pos] = np.uint8(2) if valid[i] else np.uint8(0)
            pos += 1
        if valid[i]:
            if not least <= values[i] <= most:
                return i
            pos = _double(out, pos, values[i])
        at[i] = pos
    return -1


@kernel(I64, *_HEAD, reads(U8), I64, BIT)
def put_octets(out: Bytes, at: Int64s, valid: Bools, union: bool, values: Bytes, high: int, coded: bool) -> int:
    """Write booleans (a byte) or, if coded, codes of symbols (a number): at most 2 bytes each."""
    for i in range(values.shape[0]):
        pos = at[i]
        if union:
            out[pos] = np.uint8(2) if valid[i] else np.uint8(0)
            pos += 1
        if valid[i]:
            if values[i] > high:
                return i
            if coded:
                pos = _zigzag(out, pos, np.int64(values[i]))
            else:
                out[pos] = values[i]
                pos += 1
        at[i] = pos
    return -1


@kernel(I64, *_HEAD, reads(U8), reads(I64), reads(I32), I64, I64, BIT)
def put_texts(
    out: Bytes, at: Int64s, valid: Bools, union: bool, data: Bytes, start: Int64s, length: Int32s, low: int, high: int, utf8: bool
) -> int:
    """Write texts of low to high bytes, with their length: there must be room for 13 bytes more each."""
    for i in range(start.shape[0]):
        pos = at[i]
        if union:
            out[pos] = np.uint8(2) if valid[i] else np.uint8(0)
            pos += 1
        if valid[i]:
            size = np.int64(length[i])
            if size < low or size > high or (utf8 and not is_utf8(data, start[i], start[i] + size)):
                return i
            pos = _zigzag(out, pos, size)
            _copy(out, pos, data, start[i], size)
            pos += size
        at[i] = pos
    return -1


@kernel(I64, *_HEAD, reads(I64), I64, I64)
def put_decimals(out: Bytes, at: Int64s, valid: Bools, union: bool, values: Int64s, low: int, high: int) -> int:
    """Write unscaled digits as the shortest big-endian two's complement, with its length: at most 9 bytes each."""
    for i in range(values.shape[0]):
        pos = at[i]
        if union:
            out[pos] = np.uint8(2) if valid[i] else np.uint8(0)
            pos += 1
        if valid[i]:
            value = values[i]
            if value < low or value > high:
                return i
            size = 1
            while size < 8 and (value >> (8 * size - 1)) != (value >> 63):
                size += 1
            pos = _zigzag(out, pos, size)
            for k in range(size):
                out[pos + k] = np.uint8((value >> (8 * (size - 1 - k))) & 255)
            pos += size
        at[i] = pos
    return -1


@kernel(I64, *_HEAD, reads(F64), reads(I64), BIT, reads(I64), reads(I32), I64, I64, F64, F64, BIT)
def put_lists(
    out: Bytes, at: Int64s, valid: Bools, union: bool, values: Floats, longs: Int64s, whole: bool, start: Int64s, count: Int32s,
    low: int, high: int, least: float, most: float, unknown: bool,
) -> int:  # fmt: skip
    """Write lists of low to high numbers (longs if whole; nan too if unknown) as one block: at most 10 bytes a number and 7 more."""
    for i in range(start.shape[0]):
        pos = at[i]
        if union:
            out[pos] = np.uint8(2) if valid[i] else np.uint8(0)
            pos += 1
        if valid[i]:
            if count[i] < low or count[i] > high:
                return i
            if count[i] > 0:
                pos = _zigzag(out, pos, np.int64(count[i]))
            for k in range(start[i], start[i] + count[i]):
                if whole:
                    pos = _zigzag(out, pos, longs[k])
                elif least <= values[k] <= most or (unknown and np.isnan(values[k])):
                    pos = _double(out, pos, values[k])
                else:
                    return i
            out[pos] = 0
            pos += 1
        at[i] = pos
    return -1
