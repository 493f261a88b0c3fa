"""How are Avro's primitives read without ever leaving the record?

A reader of variable size is given the record's end and returns (value, position after it); a negative position is minus the fault.
"""

import numpy as np

from schemas.columns.arrays import Bytes
from schemas.columns.compiled import inner, inner_always
from schemas.columns.opcodes import BAD_VARINT, CUT_SHORT


@inner_always
def word(data: Bytes, pos: int) -> int:
    """Read eight bytes, little endian; the caller has checked that they are there."""
    p = np.uint64(pos)  # an unsigned index cannot count from the end, so the eight loads become one
    total = np.uint64(data[p])
    for k in range(1, 8):
        total |= np.uint64(data[p + np.uint64(k)]) << np.uint64(8 * k)
    return total


@inner
def _slow_zigzag(data: Bytes, pos: int, end: int) -> tuple[int, int]:
    """Read a number byte by byte."""
    total, shift = np.uint64(0), np.uint64(0)
    for k in range(10):
        if pos + k >= end:
            return np.int64(0), np.int64(-CUT_SHORT)
        byte = np.uint64(data[pos + k])
        total |= (byte & np.uint64(127)) << shift
        if byte < np.uint64(128):
            if k == 9 and byte > np.uint64(1):
                break
            return np.int64(total >> np.uint64(1)) ^ -np.int64(total & np.uint64(1)), pos + k + 1
        shift += np.uint64(7)
    return np.int64(0), np.int64(-BAD_VARINT)


_TOPS = np.uint64(0x8080808080808080)


@inner_always
def zigzag(data: Bytes, pos: int, end: int) -> tuple[int, int]:
    """Read one variable-length number: at most ten bytes, sign in the lowest bit."""
    if pos < end and data[np.uint64(pos)] < 128:
        byte = np.int64(data[np.uint64(pos)])
        return (byte >> 1) ^ -(byte & 1), pos + 1
    return _slow_zigzag(data, pos, end)


@inner_always
def double(data: Bytes, pos: int) -> float:
    """Read eight bytes, little endian; the caller has checked that they are there."""
    return np.uint64(word(data, pos)).view(np.float64)


@inner_always
def single(data: Bytes, pos: int) -> float:
    """Read four bytes, little endian; the caller has checked that they are there."""
    p, total = np.uint64(pos), np.uint32(0)
    for k in range(4):
        total |= np.uint32(data[p + np.uint64(k)]) << np.uint32(8 * k)
    return np.float64(np.uint32(total).view(np.float32))


@inner_always
def _is_ascii(data: Bytes, pos: int, end: int) -> bool:
    if end - pos < 8 and end >= 8:  # the bytes before it are there, and shifted out
        return pos == end or (word(data, end - 8) >> np.uint64(8 * (8 - end + pos))) & _TOPS == np.uint64(0)
    seen = np.uint64(0)
    while end - pos > 8:
        seen |= word(data, pos)
        pos += 8
    if end >= 8:
        seen |= word(data, end - 8)
    else:
        for k in range(pos, end):
            seen |= np.uint64(data[k])
    return seen & _TOPS == np.uint64(0)


@inner
def _is_utf8(data: Bytes, pos: int, end: int) -> bool:
    while pos < end:
        first = np.int64(data[pos])
        if first < 0x80:
            pos += 1
            continue
        more = 1 if 0xC2 <= first <= 0xDF else 2 if 0xE0 <= first <= 0xEF else 3 if 0xF0 <= first <= 0xF4 else 0
        if more == 0 or pos + more >= end:
            return False
        second = np.int64(data[pos + 1])
        low = 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80
        high = 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF
        if second < low or second > high:
            return False
        for k in range(2, more + 1):
            if data[pos + k] & 0xC0 != 0x80:
                return False
        pos += more + 1
    return True


@inner_always
def is_utf8(data: Bytes, pos: int, end: int) -> bool:
    """Tell whether these bytes are UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF."""
    return _is_ascii(data, pos, end) or _is_utf8(data, pos, end)


@inner
def signed(data: Bytes, pos: int, size: int) -> tuple[int, bool]:
    """Read big-endian two's complement of any size; False if it does not fit in 64 bits."""
    sign = np.int64(-1) if size > 0 and data[pos] >= 128 else np.int64(0)
    value = sign
    for k in range(size):
        if k < size - 8 and np.int64(data[pos + k]) != (sign & 255):
            return np.int64(0), False
        value = (value << 8) | np.int64(data[pos + k])
    return value, size <= 8 or (value >> 63) == sign


@inner_always
def same(one: Bytes, start: int, size: int, other: Bytes, at: int, length: int) -> bool:
    """Tell whether two texts are the same bytes."""
    if size != length:
        return False
    k = 0
    while size - k >= 8:
        if word(one, start + k) != word(other, at + k):
            return False
        k += 8
    while k < size:
        if one[start + k] != other[at + k]:
            return False
        k += 1
    return True
