"""How do texts become keys of fixed size? By MurmurHash3 x64 128, chained over the texts of a row.

Austin Appleby's MurmurHash3 (public domain), MurmurHash3_x64_128, written for columns. It takes one 32-bit seed for both halves; here
the halves are seeded apart: the first text of a row with zeros, which is the published function, each next one with the hash so
far. Its own length ends each text, so ("ab", "c") and ("a", "bc") differ; rows of
more texts than others have hashes of their own, unless all the first ones are empty. A null text is hashed as no bytes of length -1.
"""

from functools import cache

import numpy as np

from schemas.columns.arrays import Bytes, Hashes, Int32s, Int64s
from schemas.columns.compiled import I32, I64, U8, U64, inner, inner_always, kernel, reads, writes
from schemas.columns.strings import Strings
from schemas.columns.wire import word

_C1, _C2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
_M1, _M2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_A1, _A2, _FIVE = np.uint64(0x52DCE729), np.uint64(0x38495AB5), np.uint64(5)


@inner
def _turn(x: int, by: int) -> int:
    return (x << np.uint64(by)) | (x >> np.uint64(64 - by))  # type: ignore[operator]  # numba's own scalars


@inner
def _mix(x: int) -> int:
    x ^= x >> np.uint64(33)  # type: ignore[operator,assignment]  # numba's own scalars
    x *= _M1  # type: ignore[assignment]
    x ^= x >> np.uint64(33)  # type: ignore[operator,assignment]
    x *= _M2  # type: ignore[assignment]
    return x ^ (x >> np.uint64(33))  # type: ignore[operator,return-value]


@inner_always
def _word(data: Bytes, at: int, size: int) -> int:
    """Return one to eight bytes, little endian: of eight that are loaded at once, if the buffer has as many."""
    if at + 8 <= data.shape[0]:
        return word(data, at) & (_ALL >> np.uint64(64 - 8 * size))  # type: ignore[operator]  # numba's own scalars
    total = np.uint64(0)
    for k in range(size):
        total |= np.uint64(data[at + k]) << np.uint64(8 * k)
    return total  # type: ignore[return-value]


@kernel(I64, reads(U8), reads(I64), reads(I32), writes(U64, 2))
def _chain(data: Bytes, start: Int64s, length: Int32s, out: Hashes) -> int:
    """Replace each row's hash by the hash of its text seeded with it."""
    for i in range(start.shape[0]):
        size = np.int64(length[i])
        at, end = start[i], start[i] + max(size, 0)
        h1, h2 = out[i, 0], out[i, 1]
        while end - at >= 16:
            h1 ^= _turn(word(data, at) * _C1, 31) * _C2
            h1 = (_turn(h1, 27) + h2) * _FIVE + _A1
            h2 ^= _turn(word(data, at + 8) * _C2, 33) * _C1
            h2 = (_turn(h2, 31) + h1) * _FIVE + _A2
            at += 16
        left = end - at
        if left > 8:
            h2 ^= _turn(_word(data, at + 8, left - 8) * _C2, 33) * _C1
        if left > 0:
            h1 ^= _turn(_word(data, at, min(left, 8)) * _C1, 31) * _C2
        h1 ^= np.uint64(size)
        h2 ^= np.uint64(size)
        h1 += h2
        h2 += h1
        h1, h2 = _mix(h1), _mix(h2)
        h1 += h2
        out[i, 0], out[i, 1] = h1, h2 + h1
    return 0


@kernel(I64, reads(U64, 2), writes(U8, 2))
def _hex(hashes: Hashes, out: Bytes) -> int:
    """Write each row's hash as 32 lower-case hex digits, most significant first."""
    for i in range(hashes.shape[0]):
        for k in range(32):
            digit = (hashes[i, k // 16] >> np.uint64(60 - 4 * (k % 16))) & np.uint64(15)
            out[i, k] = np.uint8(digit) + np.uint8(48 if digit < 10 else 87)
    return 0


def hash_strings(*columns: Strings) -> Hashes:
    """Return a 128-bit hash of each row of texts: uint64[n, 2]. Raises ValueError for no columns or columns of several lengths."""
    n = len(columns[0].start) if columns else -1
    out = np.zeros((max(n, 0), 2), np.uint64)
    for column in columns:
        if len(column.start) != n:
            break
        _chain(column.data, column.start, column.length, out)
    else:
        if n >= 0:
            return out
    raise ValueError(f"expected columns of one length, found {[len(column) for column in columns]}")


def hash_more(hashes: Hashes, column: Strings) -> Hashes:
    """Return the hashes of rows with one more text behind those that were hashed: hash_strings(a, b) from hash_strings(a) and b."""
    if len(column) != len(hashes):
        raise ValueError(f"expected columns of one length, found {[len(hashes), len(column)]}")
    out = hashes.copy()
    _chain(column.data, column.start, column.length, out)
    return out


def hash_text(*texts: str) -> tuple[int, int]:
    """Return the hash of one row of texts, as `hash_strings` gives it.

    >>> "%016x%016x" % hash_text("The quick brown fox jumps over the lazy dog")
    'e34bbc7bbc071b6c7a433ca9c49a9347'
    """
    high, low = hash_strings(*(Strings.of([text]) for text in texts))[0].tolist()
    return high, low


@cache
def _seed(kind: str) -> Hashes:
    return np.array([hash_text(kind)], np.uint64)


def derive_ids(kind: str, causes: Strings, step: int = 0) -> Strings:
    """Return an id for what followed from each cause: 32 lower-case hex digits, the hash of (kind, cause, step as text)."""
    n = len(causes)
    hashes, digits = np.empty((n, 2), np.uint64), np.empty((n, 32), np.uint8)
    hashes[:] = _seed(kind)
    for column in (causes, Strings.repeated(str(step), n)):
        _chain(column.data, column.start, column.length, hashes)
    _hex(hashes, digits)
    return Strings(digits.reshape(-1), np.arange(0, 32 * n, 32, dtype=np.int64), np.full(n, 32, np.int32))
