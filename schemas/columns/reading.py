"""How is one field read for a block of records? A loop per kind of field on the wire, from the records' bytes into the block.

A record whose bytes are at fault (a negative position) is passed over; one that has null here keeps its position.
"""

import numpy as np

from schemas.columns import opcodes as op
from schemas.columns.arrays import Bytes, Floats, Int64s
from schemas.columns.block import Block
from schemas.columns.compiled import inner, inner_always
from schemas.columns.wire import double, single, zigzag


@inner_always
def _broken(block: Block, b: int, fault: int, j: int, found: int) -> None:
    block[b].pos, block[b].where, block[b].found_whole = -fault, j, found


@inner
def read_branches(data: Bytes, block: Block, m: int, j: int, branches: int, null: int) -> None:
    """Read which type of its union each record has."""
    for b in range(m):
        if block[b].pos >= 0:
            branch, pos = zigzag(data, block[b].pos, block[b].end)
            if pos < 0:
                _broken(block, b, -pos, j, 0)
            elif branch < 0 or branch >= branches:
                _broken(block, b, op.BAD_BRANCH, j, branch)
            else:
                block[b].pos, block[b].valid = pos, branch != null


@inner
def read_numbers(data: Bytes, block: Block, m: int, j: int, narrow: bool) -> None:
    """Read an int (narrow) or a long."""
    for b in range(m):
        if block[b].pos >= 0 and block[b].valid:
            value, pos = zigzag(data, block[b].pos, block[b].end)
            if pos < 0:
                _broken(block, b, -pos, j, 0)
            elif narrow and (value < -(2**31) or value >= 2**31):
                _broken(block, b, op.BAD_INT, j, value)
            else:
                block[b].pos, block[b].whole = pos, value


@inner
def read_enums(data: Bytes, block: Block, m: int, j: int, symbols: Int64s, base: int, count: int) -> None:
    """Read the index of a symbol as our code; an unknown symbol's code is -1 minus its place in symbols."""
    for b in range(m):
        if block[b].pos >= 0 and block[b].valid:
            index, pos = zigzag(data, block[b].pos, block[b].end)
            if pos < 0:
                _broken(block, b, -pos, j, 0)
            elif index < 0 or index >= count:
                _broken(block, b, op.BAD_INDEX, j, index)
            else:
                code = symbols[base + index]
                block[b].pos, block[b].whole = pos, code if code >= 0 else -1 - (base + index)


@inner
def read_booleans(data: Bytes, block: Block, m: int, j: int) -> None:
    """Read one byte, 0 or 1."""
    for b in range(m):
        pos = block[b].pos
        if pos >= 0 and block[b].valid:
            if pos >= block[b].end:
                _broken(block, b, op.CUT_SHORT, j, 0)
            elif data[pos] > 1:
                _broken(block, b, op.BAD_BOOLEAN, j, np.int64(data[pos]))
            else:
                block[b].pos, block[b].whole = pos + 1, data[pos]


@inner
def read_doubles(data: Bytes, block: Block, m: int, j: int) -> None:
    """Read eight bytes."""
    for b in range(m):
        pos = block[b].pos
        if pos >= 0 and block[b].valid:
            if block[b].end - pos < 8:
                _broken(block, b, op.CUT_SHORT, j, 0)
            else:
                block[b].pos, block[b].real = pos + 8, double(data, pos)


@inner
def read_floats(data: Bytes, block: Block, m: int, j: int) -> None:
    """Read four bytes."""
    for b in range(m):
        pos = block[b].pos
        if pos >= 0 and block[b].valid:
            if block[b].end - pos < 4:
                _broken(block, b, op.CUT_SHORT, j, 0)
            else:
                block[b].pos, block[b].real = pos + 4, single(data, pos)


@inner
def read_blobs(data: Bytes, block: Block, m: int, j: int) -> None:
    """Read a length and step over so many bytes."""
    for b in range(m):
        if block[b].pos >= 0 and block[b].valid:
            size, pos = zigzag(data, block[b].pos, block[b].end)
            if pos < 0:
                _broken(block, b, -pos, j, 0)
            elif size < 0 or size > block[b].end - pos:
                _broken(block, b, op.BAD_LENGTH, j, size)
            else:
                block[b].pos, block[b].begin, block[b].whole = pos + size, pos, size


@inner
def step_over(block: Block, m: int, j: int, size: int) -> None:
    """Step over so many bytes."""
    for b in range(m):
        if block[b].pos >= 0 and block[b].valid:
            if block[b].end - block[b].pos < size:
                _broken(block, b, op.CUT_SHORT, j, 0)
            else:
                block[b].pos += size


@inner
def _items(
    data: Bytes, pos: int, end: int, count: int, read: int, values: Floats, longs: Int64s, cursor: int, kept: bool, as_whole: bool
) -> int:  # fmt: skip
    """Read so many numbers, of which the bytes of fixed ones are there; return the position after them or minus the fault."""
    if read == op.DOUBLES:
        for k in range(count if kept else 0):
            values[cursor + k] = double(data, pos + 8 * k)
        return pos + 8 * count
    if read == op.FLOATS:
        for k in range(count if kept else 0):
            values[cursor + k] = single(data, pos + 4 * k)
        return pos + 4 * count
    for k in range(count):
        value, pos = zigzag(data, pos, end)
        if pos < 0:
            return pos
        if read == op.INTS and (value < -(2**31) or value >= 2**31):
            return np.int64(-op.BAD_INT)
        if kept and as_whole:
            longs[cursor + k] = value
        elif kept:
            values[cursor + k] = np.float64(value)
    return pos


@inner
def read_lists(
    data: Bytes, block: Block, m: int, j: int, read: int, values: Floats, longs: Int64s, cursor: int, kept: bool, as_whole: bool
) -> int:  # fmt: skip
    """Read arrays of numbers to values[cursor:] (to longs, which are the same memory, if as_whole); return the cursor after them."""
    size = 8 if read == op.DOUBLES else 4 if read == op.FLOATS else 1
    for b in range(m):
        if block[b].pos < 0 or not block[b].valid:
            continue
        first, pos, end = cursor, block[b].pos, block[b].end
        while True:
            count, pos = zigzag(data, pos, end)
            if pos < 0 or count == 0:
                break
            if count < 0:
                _, pos = zigzag(data, pos, end)
                if pos < 0:
                    break
                count = -count
            if count < 0 or count > (end - pos) // size:
                pos = np.int64(-op.BAD_COUNT)
                break
            pos = _items(data, pos, end, count, read, values, longs, cursor, kept, as_whole)
            if pos < 0:
                break
            if kept:
                cursor += count
        if pos < 0:
            _broken(block, b, -pos, j, 0)
            cursor = first
        else:
            block[b].pos, block[b].begin, block[b].whole = pos, first, cursor - first
    return cursor
