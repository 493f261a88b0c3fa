"""How do the bytes of a batch become columns? One kernel walks each record by its plan and writes every field into its column.

Nothing is compiled per schema: plans are data. Nothing is read past a record's end, and a record is in the columns only if all of it
is good: the next one takes the row of a bad one.
"""

import numpy as np

from schemas.columns import opcodes as op
from schemas.columns.arrays import Bytes, Codes, Floats, Int32s, Int64s
from schemas.columns.compiled import F64, I16, I32, I64, U8, inner, kernel, reads, writes
from schemas.columns.wire import double, is_utf8, same, signed, single, zigzag


@inner
def _numbers(
    data: Bytes, pos: int, end: int, read: int, store: int, least: float, most: float, values: Floats, longs: Int64s, cursor: int
) -> tuple[int, int, int, float]:
    """Read an array of numbers to values[cursor:]; return (position or minus the fault, how many, fault of a value, that value)."""
    size = 8 if read == op.DOUBLES else 4 if read == op.FLOATS else 1
    total, bad, found = 0, 0, 0.0
    while True:
        count, pos = zigzag(data, pos, end)
        if pos < 0 or count == 0:
            return pos, total, bad, found
        if count < 0:
            _, pos = zigzag(data, pos, end)
            if pos < 0:
                return pos, total, bad, found
            count = -count
        if count < 0 or count > (end - pos) // size:
            return -op.BAD_COUNT, total, bad, found
        for k in range(count):
            whole = np.int64(0)
            if read == op.DOUBLES:
                real = double(data, pos)
                pos += 8
            elif read == op.FLOATS:
                real = single(data, pos)
                pos += 4
            else:
                whole, pos = zigzag(data, pos, end)
                if pos < 0:
                    return pos, total, bad, found
                if read == op.INTS and (whole < -(2**31) or whole >= 2**31):
                    return -op.BAD_INT, total, bad, found
                real = np.float64(whole)
            if store == op.TO_FLOATS:
                values[cursor + total + k] = real
                # A lower bound that is nan lets nan through: a feature that is not known.
                if not (least <= real <= most or (least != least and (real != real or -most <= real <= most))) and bad == 0:
                    bad, found = op.BAD_REAL, real
            elif store == op.TO_LONGS:
                longs[cursor + total + k] = whole
        total += count


@kernel(
    I64,
    reads(U8), reads(I64), reads(I64), reads(I32), writes(I16),  # records
    reads(U8), reads(I64), reads(I32),  # keys
    reads(I64, 2), reads(F64, 2), reads(I64), reads(I64), reads(I64),  # plans
    reads(I64), reads(F64), reads(I64), reads(I32), reads(I64), reads(I32), reads(U8), I64, I64,  # constants
    reads(I64, 2), writes(F64), writes(I64), writes(I32), writes(U8), writes(F64), writes(I64),  # columns
    writes(I64), writes(I16), writes(I32), writes(I64), writes(I64), writes(I32), writes(I32), writes(I64), writes(F64),  # results
)  # fmt: skip
def decode(
    data: Bytes, begin: Int64s, finish: Int64s, plan: Int32s, fault: Codes,
    key_data: Bytes, key_start: Int64s, key_length: Int32s,
    rows: Int64s, reals: Floats, first: Int64s, kind_of: Int64s, symbols: Int64s,
    const_whole: Int64s, const_real: Floats, const_start: Int64s, const_length: Int32s, const_from: Int64s, const_count: Int32s,
    const_valid: Bytes, text_base: int, cursor: int,
    base: Int64s, floats: Floats, longs: Int64s, lengths: Int32s, octets: Bytes, values: Floats, value_longs: Int64s,
    good: Int64s, kind: Codes, row: Int32s, at: Int64s, id_start: Int64s, id_length: Int32s, where: Int32s, whole: Int64s,
    real: Floats,
) -> int:  # fmt: skip
    """Decode every record without a fault; return how many values of lists were written.

    base[k]: where kind k's columns begin in floats, longs, lengths and octets, and how many rows each has.
    Filled: the columns; good[k], rows of kind k; per record its kind (-1 if bad), row, time and id; for a bad one its fault, the row of
    its plan where it was found, and what was found (whole or real).
    """
    for i in range(begin.shape[0]):
        kind[i], row[i], at[i], id_start[i], id_length[i] = -1, -1, 0, 0, 0
        where[i], whole[i], real[i] = -1, 0, 0.0
        if fault[i] != op.GOOD:
            continue
        p = plan[i]
        k = kind_of[p]
        r, room = good[k], base[k, 4]
        to_float, to_long, to_length, to_octet = base[k, 0] + r, base[k, 1] + r, base[k, 2] + r, base[k, 3] + r
        pos, end = begin[i], finish[i]
        bad, mark = 0, cursor
        at_i, id_start_i, id_length_i = np.int64(0), np.int64(0), np.int32(0)
        for j in range(first[p], first[p + 1]):
            read, store = rows[j, op.READ], rows[j, op.STORE]
            valid, wrong, iv, fv, size = read != op.NOTHING, 0, np.int64(0), 0.0, np.int64(0)
            if rows[j, op.BRANCHES] > 0:
                iv, pos = zigzag(data, pos, end)
                if pos >= 0 and (iv < 0 or iv >= rows[j, op.BRANCHES]):
                    pos = -op.BAD_BRANCH
                if pos < 0:
                    where[i], whole[i] = j, iv
                    break
                if iv == rows[j, op.NULL]:
                    valid = False
            text = pos
            if valid:
                if read == op.DOUBLE:
                    if end - pos < 8:
                        pos = -op.CUT_SHORT
                    else:
                        fv = double(data, pos)
                        pos += 8
                elif read == op.BLOB:
                    size, pos = zigzag(data, pos, end)
                    if pos >= 0:
                        iv, text = size, pos
                        if size < 0 or size > end - pos:
                            pos = -op.BAD_LENGTH
                        else:
                            pos += size
                elif read == op.LONG:
                    iv, pos = zigzag(data, pos, end)
                    if rows[j, op.ARG] != 1:
                        iv //= rows[j, op.ARG]
                    fv = np.float64(iv)
                elif read == op.INT:
                    iv, pos = zigzag(data, pos, end)
                    fv = np.float64(iv)
                    if pos >= 0 and (iv < -(2**31) or iv >= 2**31):
                        pos = -op.BAD_INT
                elif read == op.FLOAT:
                    if end - pos < 4:
                        pos = -op.CUT_SHORT
                    else:
                        fv = single(data, pos)
                        pos += 4
                elif read == op.BOOLEAN:
                    if pos >= end:
                        pos = -op.CUT_SHORT
                    else:
                        iv = np.int64(data[pos])
                        pos = -op.BAD_BOOLEAN if iv > 1 else pos + 1
                elif read == op.ENUM:
                    iv, pos = zigzag(data, pos, end)
                    if pos >= 0 and (iv < 0 or iv >= rows[j, op.MORE]):
                        pos = -op.BAD_INDEX
                    if pos >= 0 and store != op.SKIP:
                        whole_symbol = rows[j, op.ARG] + iv
                        iv = symbols[whole_symbol]
                        if iv < 0:
                            wrong, iv = op.BAD_SYMBOL, whole_symbol
                elif read == op.FIXED:
                    if rows[j, op.ARG] > end - pos:
                        pos = -op.CUT_SHORT
                    else:
                        pos += rows[j, op.ARG]
                elif read == op.CONSTANT:
                    c = rows[j, op.ARG]
                    valid = const_valid[c] != 0
                    iv, fv = const_whole[c], const_real[c]
                    text, size = text_base + const_start[c], np.int64(const_length[c])
                    if store == op.TO_FLOATS or store == op.TO_LONGS:
                        text, size = const_from[c], np.int64(const_count[c])
                else:
                    pos, size, wrong, fv = _numbers(
                        data, pos, end, read, store, reals[j, 0], reals[j, 1], values, value_longs, cursor
                    )
                    text = cursor
                    if store != op.SKIP and pos >= 0:
                        cursor += size
                if pos < 0:
                    where[i], whole[i] = j, iv
                    break
            if store == op.SKIP:
                continue
            low, high = rows[j, op.LOW], rows[j, op.HIGH]
            place = rows[j, op.SLOT] * room
            if rows[j, op.VALID] >= 0:
                octets[to_octet + rows[j, op.VALID] * room] = valid
            elif not valid:
                wrong = op.BAD_NULL
            checked = valid and read != op.CONSTANT and wrong == 0
            if store == op.TO_TEXT or store == op.TO_BYTES:
                if not valid:
                    size = np.int64(0)
                longs[to_long + place] = text
                lengths[to_length + rows[j, op.PLACE] * room] = size
                if checked:
                    iv = size
                    if size < low or size > high:
                        wrong = op.BAD_SIZE
                    elif store == op.TO_TEXT and not is_utf8(data, text, pos):
                        wrong = op.BAD_UTF8
                if rows[j, op.FLAGS] & op.IS_ID:
                    id_start_i, id_length_i = text, np.int32(size)
                if rows[j, op.FLAGS] & op.IS_KEY and wrong == 0:
                    if not same(data, text, size, key_data, key_start[i], np.int64(key_length[i])):
                        wrong, iv, fv = op.BAD_KEY, size, np.float64(text)
            elif store == op.TO_FLOAT:
                floats[to_float + place] = fv if valid else np.nan
                if checked and not reals[j, 0] <= fv <= reals[j, 1]:
                    wrong = op.BAD_REAL
            elif store == op.TO_LONG:
                longs[to_long + place] = iv if valid else 0
                if checked and (iv < low or iv > high):
                    wrong = op.BAD_NUMBER
                if rows[j, op.FLAGS] & op.IS_AT:
                    at_i = iv
            elif store == op.TO_BYTE:
                octets[to_octet + place] = np.uint8(iv) if valid and wrong == 0 else np.uint8(0)
            elif store == op.TO_DECIMAL:
                if valid and read != op.CONSTANT:
                    iv, fits = signed(data, text, size)
                    if not fits:
                        wrong, iv = op.BAD_DIGITS, size
                    elif iv < low or iv > high:
                        wrong = op.BAD_NUMBER
                longs[to_long + place] = iv if valid else 0
            else:
                if not valid:
                    size = np.int64(0)
                longs[to_long + place] = text
                lengths[to_length + rows[j, op.PLACE] * room] = size
                if checked and (size < low or size > high):
                    wrong, iv = op.BAD_SIZE, size
            if wrong != 0 and bad == 0:
                bad = wrong
                where[i], whole[i], real[i] = j, iv, fv
        if pos >= 0 and pos != end:
            whole[i], where[i] = end - pos, -1
            pos = -op.TRAILING
        if pos < 0:
            bad = -pos
        if bad != 0:
            fault[i] = bad
            cursor = mark
        else:
            kind[i], row[i], at[i], id_start[i], id_length[i] = k, r, at_i, id_start_i, id_length_i
            good[k] = r + 1
    return cursor
