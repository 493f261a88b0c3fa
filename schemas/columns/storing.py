"""How does a field of a block become part of its column? A loop per kind of column, which checks as it writes.

The first fault of a value stays; the row of a bad record is written all the same and taken out of the columns at the end.
"""

import numpy as np

from schemas.columns import opcodes as op
from schemas.columns.arrays import Bytes, Floats, Int32s, Int64s
from schemas.columns.block import Block
from schemas.columns.compiled import inner, inner_always
from schemas.columns.wire import is_utf8, same, signed


@inner_always
def _bad(block: Block, b: int, fault: int, j: int, whole: int, real: float) -> None:
    if block[b].bad == 0 and block[b].pos >= 0:
        block[b].bad, block[b].where, block[b].found_whole, block[b].found_real = fault, j, whole, real


@inner
def store_valid(block: Block, m: int, octets: Bytes, base: int) -> None:
    """Write which records have a value."""
    for b in range(m):
        octets[base + block[b].row] = block[b].valid


@inner
def refuse_nulls(block: Block, m: int, j: int) -> None:
    """Find fault with records that have no value here."""
    for b in range(m):
        if not block[b].valid:
            _bad(block, b, op.BAD_NULL, j, 0, 0.0)


@inner
def store_floats(block: Block, m: int, j: int, floats: Floats, base: int, least: float, most: float, promoted: bool) -> None:
    """Write numbers from least to most; whole ones if promoted."""
    for b in range(m):
        value = np.float64(block[b].whole) if promoted else block[b].real
        if not block[b].valid:
            value = np.nan
        elif not least <= value <= most:
            _bad(block, b, op.BAD_REAL, j, 0, value)
        floats[base + block[b].row] = value


@inner
def store_longs(block: Block, m: int, j: int, longs: Int64s, base: int, low: int, high: int, divisor: int) -> None:
    """Write whole numbers from low to high, after the division; they stay in the block."""
    for b in range(m):
        value = block[b].whole
        if divisor != 1:
            value //= divisor
            block[b].whole = value
        if not block[b].valid:
            value = np.int64(0)
        elif value < low or value > high:
            _bad(block, b, op.BAD_NUMBER, j, value, 0.0)
        longs[base + block[b].row] = value


@inner
def store_octets(block: Block, m: int, j: int, octets: Bytes, base: int) -> None:
    """Write booleans and codes."""
    for b in range(m):
        value = block[b].whole if block[b].valid else np.int64(0)
        if value < 0:
            _bad(block, b, op.BAD_SYMBOL, j, -1 - value, 0.0)
        octets[base + block[b].row] = np.uint8(value)


@inner
def store_texts(
    data: Bytes,
    block: Block,
    m: int,
    j: int,
    longs: Int64s,
    base: int,
    lengths: Int32s,
    place: int,
    low: int,
    high: int,
    utf8: bool,
) -> None:
    """Write where texts of low to high bytes lie."""
    for b in range(m):
        begin, size = block[b].begin, block[b].whole
        if block[b].pos < 0 or not block[b].valid:
            begin, size = np.int64(0), np.int64(0)
        elif size < low or size > high:
            _bad(block, b, op.BAD_SIZE, j, size, 0.0)
        elif utf8 and not is_utf8(data, begin, begin + size):
            _bad(block, b, op.BAD_UTF8, j, size, 0.0)
        longs[base + block[b].row] = begin
        lengths[place + block[b].row] = np.int32(size)


@inner
def check_keys(data: Bytes, block: Block, m: int, j: int, key_data: Bytes, key_start: Int64s, key_length: Int32s) -> None:
    """Find fault with records whose text here is not their key."""
    for b in range(m):
        if block[b].pos >= 0 and block[b].valid:
            i, begin, size = block[b].record, block[b].begin, block[b].whole
            if not same(data, begin, size, key_data, key_start[i], np.int64(key_length[i])):
                _bad(block, b, op.BAD_KEY, j, size, np.float64(begin))


@inner
def store_decimals(data: Bytes, block: Block, m: int, j: int, longs: Int64s, base: int, low: int, high: int) -> None:
    """Write unscaled digits from low to high."""
    for b in range(m):
        value = np.int64(0)
        if block[b].pos >= 0 and block[b].valid:
            value, fits = signed(data, block[b].begin, block[b].whole)
            if not fits:
                _bad(block, b, op.BAD_DIGITS, j, block[b].whole, 0.0)
            elif value < low or value > high:
                _bad(block, b, op.BAD_NUMBER, j, value, 0.0)
        longs[base + block[b].row] = value


@inner
def store_lists(
    block: Block, m: int, j: int, longs: Int64s, base: int, lengths: Int32s, place: int, low: int, high: int,
    values: Floats, least: float, most: float, whole: bool, unknown: bool,
) -> None:  # fmt: skip
    """Write where lists of low to high numbers lie; each number from least to most, if they are not whole, or nan if unknown."""
    for b in range(m):
        begin, count = block[b].begin, block[b].whole
        if block[b].pos < 0 or not block[b].valid:
            begin, count = np.int64(0), np.int64(0)
        elif count < low or count > high:
            _bad(block, b, op.BAD_SIZE, j, count, 0.0)
        elif not whole:
            for k in range(begin, begin + count):
                if not (least <= values[k] <= most or (unknown and np.isnan(values[k]))):
                    _bad(block, b, op.BAD_REAL, j, 0, values[k])
        longs[base + block[b].row] = begin
        lengths[place + block[b].row] = np.int32(count)
