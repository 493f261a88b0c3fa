"""How are n texts kept without n objects? As places in one buffer, usually the bytes that came over the wire."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from schemas.columns.arrays import Bytes, Int32s, Int64s, Rows, exact
from schemas.columns.compiled import I32, I64, U8, kernel, reads, writes


class Strings:
    """n texts (or byte strings): `data[start[i] : start[i] + length[i]]`, UTF-8. A length of -1 is null (a Kafka key or value)."""

    __slots__ = ("data", "length", "start")

    def __init__(self, data: Bytes, start: Int64s, length: Int32s) -> None:
        """data: uint8, any length. start: int64[n]. length: int32[n]; every place must lie inside data."""
        self.data, self.start, self.length = exact(data, np.uint8), exact(start, np.int64), exact(length, np.int32)

    @classmethod
    def of(cls, texts: Iterable[str | bytes | None]) -> "Strings":
        """Return a column of these texts, in one new buffer."""
        raw: list[Any] = [text.encode() if isinstance(text, str) else text for text in texts]
        try:
            data, length = b"".join(raw), np.fromiter(map(len, raw), np.int32, len(raw))
            ends = np.cumsum(length, dtype=np.int64)
            return cls(np.frombuffer(data, np.uint8), ends - length, length)
        except TypeError:  # there is a null
            length = np.fromiter((-1 if text is None else len(text) for text in raw), np.int32, len(raw))
        size = np.maximum(length, 0)
        data = b"".join([text for text in raw if text])
        return cls(np.frombuffer(data, np.uint8), np.cumsum(size, dtype=np.int64) - size, length)

    @classmethod
    def repeated(cls, text: str | bytes, n: int) -> "Strings":
        """Return the same text n times; it is stored once."""
        data = np.frombuffer(text.encode() if isinstance(text, str) else text, np.uint8)
        return cls(data, np.zeros(n, np.int64), np.full(n, len(data), np.int32))

    @classmethod
    def concat(cls, parts: Sequence["Strings"]) -> "Strings":
        """Return the parts one after the other, in one new buffer."""
        if len(parts) == 1:
            return parts[0].pack()
        length = np.concatenate([np.empty(0, np.int32), *(part.length for part in parts)])
        start = np.empty(len(length), np.int64)
        data, at = np.empty(_place(length, start), np.uint8), 0
        for part in parts:
            at += _pack(part.data, part.start, part.length, data[at:])
        return cls(data, start, length)

    def __len__(self) -> int:
        """Return n."""
        return len(self.start)

    def __getitem__(self, row: int) -> str:
        """Return one text; bytes that are not UTF-8 show as U+FFFD, null as an empty text."""
        return (self.raw(row) or b"").decode(errors="replace")

    def __iter__(self) -> Iterator[str]:
        """Yield the texts."""
        return iter(self.tolist())

    def __repr__(self) -> str:
        """Show the first few."""
        return f"Strings({self.take(slice(5)).tolist()}{'...' if len(self) > 5 else ''}, n={len(self)})"

    def raw(self, row: int) -> bytes | None:
        """Return one value's bytes, None for null."""
        size = int(self.length[row])
        start = int(self.start[row])
        return None if size < 0 else self.data[start : start + size].tobytes()

    def raws(self) -> list[bytes | None]:
        """Return every value's bytes, None for null."""
        packed = self.pack()
        whole = packed.data.tobytes()
        pairs = zip(packed.start.tolist(), packed.length.tolist(), strict=True)
        return [None if size < 0 else whole[start : start + size] for start, size in pairs]

    def tolist(self) -> list[str]:
        """Return the texts, as `self[i]` gives them."""
        packed = self.pack()
        whole = packed.data.tobytes()
        ends = zip(packed.start.tolist(), (packed.start + packed.length).tolist(), strict=True)
        if whole.isascii():
            text = whole.decode("ascii")
            return [text[start:end] if end > start else "" for start, end in ends]
        return [whole[start:end].decode(errors="replace") if end > start else "" for start, end in ends]

    def take(self, rows: Rows) -> "Strings":
        """Return these rows; the buffer is shared."""
        if isinstance(rows, slice) and rows.step not in (None, 1):
            return Strings(self.data, self.start[rows], self.length[rows])
        made = Strings.__new__(Strings)  # rows of exact arrays are exact: no need to look again
        made.data, made.start, made.length = self.data, self.start[rows], self.length[rows]
        return made

    def pack(self) -> "Strings":
        """Return the same texts in a new buffer that holds nothing else, in order: what to keep when the batch goes."""
        start = np.empty(len(self.start), np.int64)
        data = np.empty(_place(self.length, start), np.uint8)
        _pack(self.data, self.start, self.length, data)
        return Strings(data, start, self.length)


@kernel(I64, reads(I32), writes(I64))
def _place(length: Int32s, start: Int64s) -> int:
    """Fill where each text starts if they lie one behind the other; return where the last ends."""
    at = 0
    for i in range(length.shape[0]):
        start[i] = at
        at += max(length[i], 0)
    return at


@kernel(I64, reads(U8), reads(I64), reads(I32), writes(U8))
def _pack(data: Bytes, start: Int64s, length: Int32s, out: Bytes) -> int:
    at = 0
    for i in range(start.shape[0]):
        first = start[i]
        for k in range(length[i]):
            out[at + k] = data[first + k]
        if length[i] > 0:
            at += length[i]
    return at
