"""How are Avro's primitives read without ever leaving the record? Each reader is given the record's end and says where it stopped.

A reader returns (value, position after it); a negative position is minus the fault.
"""

import numpy as np

from schemas.columns.arrays import Bytes
from schemas.columns.compiled import inner
from schemas.columns.opcodes import BAD_VARINT, CUT_SHORT


@inner
def zigzag(data: Bytes, pos: int, end: int) -> tuple[int, int]:
    """Read one variable-length number: at most ten bytes, sign in the lowest bit."""
    if pos >= end:
        return 0, -CUT_SHORT
    byte = np.int64(data[pos])
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), pos + 1
    total = np.uint64(byte & 127)
    shift = 7
    for k in range(1, 10):
        if pos + k >= end:
            return 0, -CUT_SHORT
        byte = np.int64(data[pos + k])
        total |= np.uint64(byte & 127) << np.uint64(shift)
        if byte < 128:
            if k == 9 and byte > 1:
                return 0, -BAD_VARINT
            return np.int64(total >> np.uint64(1)) ^ -np.int64(total & np.uint64(1)), pos + k + 1
        shift += 7
    return 0, -BAD_VARINT


@inner
def _bits(value):  # type: ignore[no-untyped-def]  # numba's own scalars
    return np.uint64(value).view(np.float64)


@inner
def _short_bits(value):  # type: ignore[no-untyped-def]  # numba's own scalars
    return np.uint32(value).view(np.float32)


@inner
def double(data: Bytes, pos: int) -> float:
    """Read eight bytes, little endian; the caller has checked that they are there."""
    low = np.uint64(data[pos]) | np.uint64(data[pos + 1]) << np.uint64(8) | np.uint64(data[pos + 2]) << np.uint64(16)
    low |= np.uint64(data[pos + 3]) << np.uint64(24) | np.uint64(data[pos + 4]) << np.uint64(32)
    high = np.uint64(data[pos + 5]) << np.uint64(40) | np.uint64(data[pos + 6]) << np.uint64(48)
    return _bits(low | high | np.uint64(data[pos + 7]) << np.uint64(56))  # type: ignore[no-any-return]


@inner
def single(data: Bytes, pos: int) -> float:
    """Read four bytes, little endian; the caller has checked that they are there."""
    low = np.uint32(data[pos]) | np.uint32(data[pos + 1]) << np.uint32(8)
    high = np.uint32(data[pos + 2]) << np.uint32(16) | np.uint32(data[pos + 3]) << np.uint32(24)
    return np.float64(_short_bits(low | high))


@inner
def is_utf8(data: Bytes, pos: int, end: int) -> bool:
    """Tell whether these bytes are UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF."""
    seen = np.uint8(0)
    for k in range(pos, end):
        seen |= data[k]
    if seen < 128:
        return True
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


@inner
def signed(data: Bytes, pos: int, size: int) -> tuple[int, bool]:
    """Read big-endian two's complement of any size; False if it does not fit in 64 bits."""
    value = np.int64(-1) if size > 0 and data[pos] >= 128 else np.int64(0)
    sign = value
    for k in range(size):
        if k < size - 8 and np.int64(data[pos + k]) != (sign & 255):
            return 0, False
        value = (value << 8) | np.int64(data[pos + k])
    return value, size <= 8 or (value >> 63) == sign


@inner
def same(one: Bytes, start: int, size: int, other: Bytes, at: int, length: int) -> bool:
    """Tell whether two texts are the same bytes."""
    if size != length:
        return False
    for k in range(size):
        if one[start + k] != other[at + k]:
            return False
    return True
