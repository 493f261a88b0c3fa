"""How do messages in librdkafka's memory become columns? In compiled loops over their addresses, without an object each."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from infra.librdkafka.library import MESSAGE
from schemas.columns.arrays import Bytes, Int32s, Int64s
from schemas.columns.compiled import BIT, I32, I64, U8, kernel, reads, writes

_AT = {name: int(MESSAGE.fields[name][1]) for name in MESSAGE.names or ()} if MESSAGE.fields else {}
ERR, TOPIC, PARTITION, PAYLOAD, LEN, KEY, KEY_LEN, OFFSET, PRIVATE = (
    _AT[name] for name in ("err", "topic", "partition", "payload", "len", "key", "key_len", "offset", "private")
)


@intrinsic  # type: ignore[misc, untyped-decorator, unused-ignore]  # numba ships no types
def _peek64(_context: Any, address: Any) -> Any:
    """Return the eight bytes at an address as int64."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], ir.IntType(64).as_pointer()))

    return types.int64(types.int64), generate


@intrinsic  # type: ignore[misc, untyped-decorator, unused-ignore]
def _peek32(_context: Any, address: Any) -> Any:
    """Return the four bytes at an address as int32."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], ir.IntType(32).as_pointer()))

    return types.int32(types.int64), generate


@intrinsic  # type: ignore[misc, untyped-decorator, unused-ignore]
def _copy(_context: Any, target: Any, source: Any, size: Any) -> Any:
    """Copy bytes from one address to another."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        octets = ir.IntType(8).as_pointer()
        cgutils.raw_memcpy(builder, builder.inttoptr(args[0], octets), builder.inttoptr(args[1], octets), args[2], 1)
        return None

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic  # type: ignore[misc, untyped-decorator, unused-ignore]
def _call1(_context: Any, function: Any, argument: Any) -> Any:
    """Call a C function `void f(void *)` by its address."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        shape = ir.FunctionType(ir.VoidType(), [word])
        builder.call(builder.inttoptr(args[0], shape.as_pointer()), [args[1]])
        return None

    return types.void(types.int64, types.int64), generate


@intrinsic  # type: ignore[misc, untyped-decorator, unused-ignore]
def _call2(_context: Any, function: Any, first: Any, second: Any) -> Any:
    """Call a C function `int64_t f(void *, void *)` by its address."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        shape = ir.FunctionType(word, [word, word])
        return builder.call(builder.inttoptr(args[0], shape.as_pointer()), [args[1], args[2]])

    return types.int64(types.int64, types.int64, types.int64), generate


@kernel(I64, writes(I64), I64, writes(I64), writes(I32), writes(I32), writes(I64), writes(I64))
def sort_out(messages: Int64s, n: int, topics: Int64s, partitions: Int32s, group: Int32s, counts: Int64s, sizes: Int64s) -> int:
    """Say to which group (topic and partition) each message belongs, -1 for an error; return how many groups there are.

    messages: their addresses. Filled: per group its topic's address, partition, number of messages, bytes of keys and values.
    """
    found = 0
    last = 0
    for i in range(n):
        at = messages[i]
        if _peek32(at + ERR) != 0:
            group[i] = -1
            continue
        topic, partition = _peek64(at + TOPIC), _peek32(at + PARTITION)
        g = last
        if found == 0 or topics[g] != topic or partitions[g] != partition:
            g = 0
            while g < found and (topics[g] != topic or partitions[g] != partition):
                g += 1
            if g == found:
                topics[g], partitions[g] = topic, partition
                counts[g], sizes[g] = 0, 0
                found += 1
            last = g
        group[i] = g
        counts[g] += 1
        sizes[g] += _peek64(at + LEN) + _peek64(at + KEY_LEN)
    return found


@kernel(
    I64, writes(I64), I64, writes(I32), writes(I64), writes(I64), I64, I64, writes(I64), writes(I64), writes(I64), writes(I32),
    writes(I64), writes(I32), I64,
)  # fmt: skip
def gather(
    messages: Int64s, n: int, group: Int32s, row: Int64s, byte: Int64s, target: int, timestamp: int, scratch: Int64s,
    offsets: Int64s, appended: Int64s, key_length: Int32s, place: Int64s, value_length: Int32s, destroy: int,
) -> int:  # fmt: skip
    """Copy every message without an error into its group's rows, and free it.

    row, byte: the next row and byte of each group, advanced. target: address of the byte buffer. timestamp, destroy: addresses of the
    library's functions. Filled by row: offsets, times (ms), lengths (-1 for null), and where the key begins; the value follows it.
    """
    kept = 0
    for i in range(n):
        g = group[i]
        if g < 0:
            continue
        at = messages[i]
        r, b = row[g], byte[g]
        key, key_size, value, size = _peek64(at + KEY), _peek64(at + KEY_LEN), _peek64(at + PAYLOAD), _peek64(at + LEN)
        offsets[r] = _peek64(at + OFFSET)
        appended[r] = _call2(timestamp, at, scratch.ctypes.data)
        place[r] = b
        key_length[r], value_length[r] = -1, -1
        if key != 0:
            key_length[r] = key_size
            _copy(target + b, key, key_size)
            b += key_size
        if value != 0:
            value_length[r] = size
            _copy(target + b, value, size)
            b += size
        row[g], byte[g] = r + 1, b
        _call1(destroy, at)
        kept += 1
    return kept


WORDS = MESSAGE.itemsize // 8
"""A message's head in words of eight bytes, as `point` fills it; err and partition take a word each."""


@kernel(I64, writes(I64, 2), reads(U8), reads(I64), reads(I32), reads(U8), reads(I64), reads(I32), I64, BIT)
def point(
    heads: Any, values: Bytes, start: Int64s, length: Int32s, keys: Bytes, key_start: Int64s, key_length: Int32s, number: int,
    report_all: bool,
) -> int:  # fmt: skip
    """Let the heads point to these texts, null where the length is negative; return the address of the first.

    No keys at all is all null. number: what the report of the last record, or of all, will carry.
    """
    n, keyed = start.shape[0], key_start.shape[0] > 0
    at, key_at = values.ctypes.data, keys.ctypes.data
    for i in range(n):
        for word in range(heads.shape[1]):
            heads[i, word] = 0
        if length[i] >= 0:
            heads[i, PAYLOAD // 8], heads[i, LEN // 8] = at + start[i], length[i]
        if keyed and key_length[i] >= 0:
            heads[i, KEY // 8], heads[i, KEY_LEN // 8] = key_at + key_start[i], key_length[i]
        if report_all or i == n - 1:
            heads[i, PRIVATE // 8] = number
    return int(heads.ctypes.data)


@kernel(I64, writes(I64), I64, writes(I64), writes(I64), writes(I64))
def reported(messages: Int64s, n: int, errors: Int64s, private: Int64s, offsets: Int64s) -> int:
    """Pick the delivery reports that matter: failures, and those with a private number; return how many there are."""
    found = 0
    for i in range(n):
        at = messages[i]
        error, mark = _peek32(at + ERR), _peek64(at + PRIVATE)
        if error != 0 or mark != 0:
            errors[found], private[found], offsets[found] = error, mark, _peek64(at + OFFSET)
            found += 1
    return found
