"""How do the bytes of a batch become columns? One kernel takes block after block of records of one schema through its plan.

Nothing is compiled per schema: plans are data. Nothing is read past a record's end. Every record has a row in the columns of its
kind, in log order; the rows of bad ones are taken out afterwards.
"""

import numpy as np

from schemas.columns import opcodes as op
from schemas.columns import reading, storing
from schemas.columns.arrays import Bytes, Codes, Floats, Int32s, Int64s
from schemas.columns.block import RECORD, Block
from schemas.columns.compiled import F64, I16, I32, I64, U8, inner, kernel, reads, writes


@inner
def _read(
    data: Bytes, block: Block, m: int, j: int, row: Int64s, symbols: Int64s, values: Floats, longs: Int64s, cursor: int
) -> int:
    """Read one field of a block; return the cursor in values after it."""
    read, store = row[op.READ], row[op.STORE]
    for b in range(m):
        block[b].valid = read != op.NOTHING
    if row[op.BRANCHES] > 0:
        reading.read_branches(data, block, m, j, row[op.BRANCHES], row[op.NULL])
    if read == op.LONG or read == op.INT:
        reading.read_numbers(data, block, m, j, read == op.INT)
    elif read == op.DOUBLE:
        reading.read_doubles(data, block, m, j)
    elif read == op.BLOB:
        reading.read_blobs(data, block, m, j)
    elif read == op.ENUM:
        reading.read_enums(data, block, m, j, symbols, row[op.ARG], row[op.MORE])
    elif read == op.BOOLEAN:
        reading.read_booleans(data, block, m, j)
    elif read == op.FLOAT:
        reading.read_floats(data, block, m, j)
    elif read == op.FIXED:
        reading.step_over(block, m, j, row[op.ARG])
    elif read != op.NOTHING:
        return reading.read_lists(data, block, m, j, read, values, longs, cursor, store != op.SKIP, store == op.TO_LONGS)
    return cursor


@inner
def _store(
    data: Bytes, block: Block, m: int, j: int, row: Int64s, least: float, most: float, room: int,
    floats: Floats, longs: Int64s, lengths: Int32s, octets: Bytes, values: Floats,
) -> None:  # fmt: skip
    """Write one field of a block into its column."""
    read, store, low, high = row[op.READ], row[op.STORE], row[op.LOW], row[op.HIGH]
    base, place = row[op.SLOT] * room, row[op.PLACE] * room
    if row[op.VALID] >= 0:
        storing.store_valid(block, m, octets, row[op.VALID] * room)
    elif row[op.BRANCHES] > 0 or read == op.NOTHING:
        storing.refuse_nulls(block, m, j)
    if store == op.TO_FLOAT:
        storing.store_floats(block, m, j, floats, base, least, most, read == op.LONG or read == op.INT)
    elif store == op.TO_LONG:
        storing.store_longs(block, m, j, longs, base, low, high, row[op.ARG] if read == op.LONG else 1)
    elif store == op.TO_TEXT or store == op.TO_BYTES:
        storing.store_texts(data, block, m, j, longs, base, lengths, place, low, high, store == op.TO_TEXT)
    elif store == op.TO_BYTE:
        storing.store_octets(block, m, j, octets, base)
    elif store == op.TO_DECIMAL:
        storing.store_decimals(data, block, m, j, longs, base, low, high)
    else:
        storing.store_lists(
            block, m, j, longs, base, lengths, place, low, high, values, least, most, store == op.TO_LONGS,
            row[op.FLAGS] & op.UNKNOWN != 0,
        )  # fmt: skip


@kernel(
    I64,
    reads(U8), reads(I64), reads(I64), reads(I64), writes(I16),  # records
    reads(U8), reads(I64), reads(I32),  # keys
    reads(I64, 2), reads(F64, 2), reads(I64),  # the plan
    I64, writes(F64), writes(I64), writes(I32), writes(U8), writes(F64), writes(I64), I64,  # columns
    writes(RECORD),
    reads(I64), writes(I64), writes(I64), writes(I32), writes(I32), writes(I64), writes(F64),  # results
)  # fmt: skip
def decode(
    data: Bytes, begin: Int64s, finish: Int64s, mine: Int64s, fault: Codes,
    key_data: Bytes, key_start: Int64s, key_length: Int32s,
    rows: Int64s, reals: Floats, symbols: Int64s,
    room: int, floats: Floats, longs: Int64s, lengths: Int32s, octets: Bytes, values: Floats, value_longs: Int64s, cursor: int,
    block: Block,
    row: Int64s, at: Int64s, id_start: Int64s, id_length: Int32s, where: Int32s, whole: Int64s, real: Floats,
) -> int:  # fmt: skip
    """Decode the records `mine`, all by one plan; return how much of values is used.

    room: rows of each column in floats, longs, lengths and octets. row: each record's row in them. Filled: the columns; per record its
    time and id, and for a bad one its fault, the row of the plan where it was found (-1 for behind the end), and what was found
    (whole or real).
    """
    size = block.shape[0]
    for start in range(0, mine.shape[0], size):
        m = min(size, mine.shape[0] - start)
        for b in range(m):
            i = mine[start + b]
            block[b].record, block[b].row, block[b].pos, block[b].end = i, row[i], begin[i], finish[i]
            block[b].bad, block[b].where, block[b].found_whole, block[b].found_real = 0, -1, 0, 0.0
        for j in range(rows.shape[0]):
            now = rows[j]
            cursor = _read(data, block, m, j, now, symbols, values, value_longs, cursor)
            if now[op.STORE] != op.SKIP:
                _store(data, block, m, j, now, reals[j, 0], reals[j, 1], room, floats, longs, lengths, octets, values)
            if now[op.FLAGS] & op.IS_KEY:
                storing.check_keys(data, block, m, j, key_data, key_start, key_length)
            if now[op.FLAGS] & op.IS_ID:
                for b in range(m):
                    id_start[block[b].record], id_length[block[b].record] = block[b].begin, block[b].whole
            if now[op.FLAGS] & op.IS_AT:
                for b in range(m):
                    at[block[b].record] = block[b].whole
        for b in range(m):
            i, pos = block[b].record, block[b].pos
            if 0 <= pos < block[b].end:
                block[b].where, block[b].found_whole = -1, block[b].end - pos
                pos = np.int64(-op.TRAILING)
            fault[i] = -pos if pos < 0 else block[b].bad
            if fault[i] != op.GOOD:
                where[i], whole[i], real[i] = block[b].where, block[b].found_whole, block[b].found_real
                at[i], id_start[i], id_length[i] = 0, 0, 0
    return cursor
