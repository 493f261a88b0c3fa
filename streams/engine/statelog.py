"""How is state written down, and read back?

One record of the state topic closes one *epoch*: the source offsets [from, to), the rows they changed, the keys they dropped, the ids
they brought, the models and control numbers in force, and the next few rows of a rolling snapshot. An epoch too large for one
message is split into parts and counts only when all have come. On reading back, a row is replaced only by a row of an epoch that
ends later, so what a stopped worker writes late changes nothing; a missing stretch is refused, unless a whole snapshot begins behind it.

A key that a whole sweep of the snapshot did not meet was dropped before it: so what was last told before the last complete sweep
began is forgotten, even where the word of its end has been trimmed away.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.errors import Fault
from models import undoing
from models.memory import Growing
from models.tables import Image, State
from streams.engine.recent import Recent

MAGIC = b"AFS2"
PART_BYTES = 900_000
_HEAD = struct.Struct(">4sII")
"""Magic, length of the JSON header, CRC-32 of that length and all that follows."""
_REBUILD = "rebuild the state: delete its topic and start again"


class BrokenLog(Fault):
    """The state log cannot be trusted: says where and why. State is rebuilt from the facts or not at all, never guessed."""


@dataclass(frozen=True)
class Epoch:
    """What one group commit holds. `rows` are the changed rows and those of the snapshot's next step, by table.

    fuse: what the fuse remembers of the partition. swept: where the sweep began that is complete with this epoch, as offsets of
    source and state log.
    """

    start: int
    end: int
    rows: tuple[tuple[str, Image], ...]
    ids: tuple[tuple[int, NDArray[np.uint64], NDArray[np.int64]], ...]
    head: int
    models: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    fuse: str = ""
    swept: tuple[int, int] = (-1, -1)


@cache
def shape(dtype: np.dtype[Any]) -> str:
    """Return a short hash of a row's shape: rows of another one mean something else."""
    return hashlib.sha256(repr((dtype.descr, dtype.itemsize)).encode()).hexdigest()[:8]


_Piece = tuple[list[Any], tuple[NDArray[Any], ...]]


def _pieces(epoch: Epoch, limit: int) -> Iterator[_Piece]:
    """Cut the epoch's sections so that each fits a part: [kind, name or first number, count, …] and its arrays, not yet copied."""
    for name, image in epoch.rows:
        kept, width, mark = len(image.rows), image.rows.dtype.itemsize, shape(image.rows.dtype)
        raw = image.rows.view(np.uint8).reshape(kept, width)
        step = max(1, limit // (16 + width))
        for a in range(0, kept, step):
            b = min(a + step, kept)
            yield ["rows", name, b - a, mark], (image.keys[a:b], raw[a:b])
        for a in range(kept, len(image.keys), limit // 16):
            gone = image.keys[a : a + limit // 16]
            yield ["gone", name, len(gone)], (gone,)
    for first, ids, at in epoch.ids:
        for a in range(0, len(ids), limit // 16):
            some = slice(a, a + limit // 16)
            yield ["ids", first + a, len(ids[some])], (ids[some], at[some])


def write(epoch: Epoch, *, writer: str, number: int, limit: int = PART_BYTES) -> list[bytes]:
    """Return the epoch as one or more records of at most about `limit` bytes. writer: unique to this process."""
    parts: list[list[_Piece]] = [[]]
    size = 0
    for piece in _pieces(epoch, limit):
        more = 0
        for array in piece[1]:
            more += array.nbytes
        if size + more > limit and parts[-1]:
            parts.append([])
            size = 0
        parts[-1].append(piece)
        size += more
    return [
        _frame(
            {
                "writer": writer, "epoch": number, "part": i, "parts": len(parts), "from": epoch.start, "to": epoch.end,
                "swept": epoch.swept, "head": epoch.head, "models": epoch.models, "numbers": epoch.numbers,
                "refused": epoch.refused, **({"fuse": epoch.fuse} if epoch.fuse else {}), "sections": [section for section, _ in part],
            },
            [array for _, arrays in part for array in arrays],
        )
        for i, part in enumerate(parts)
    ]  # fmt: skip


def _frame(header: Mapping[str, Any], body: list[NDArray[Any]]) -> bytes:
    text = json.dumps(header, separators=(",", ":"), default=dict).encode()
    crc = zlib.crc32(text, _seed(len(text)))
    for array in body:
        crc = zlib.crc32(array.data, crc)
    return b"".join([_HEAD.pack(MAGIC, len(text), crc), text, *(array.data for array in body)])


def _seed(length: int) -> int:
    """The checksum so far: without the length in it, a flipped bit there would move the border between header and body unseen."""
    return zlib.crc32(length.to_bytes(4, "big"))


def _parse(raw: bytes, where: str) -> tuple[dict[str, Any], memoryview]:
    if len(raw) < _HEAD.size:
        raise BrokenLog(f"{where}: expected a state record, found {len(raw)} bytes")
    magic, length, crc = _HEAD.unpack_from(raw)
    if magic != MAGIC:
        raise BrokenLog(f"{where}: expected a state record that begins with {MAGIC!r}, found {bytes(magic)!r}; {_REBUILD}")
    rest = memoryview(raw)[_HEAD.size :]
    if zlib.crc32(rest, _seed(length)) != crc:
        raise BrokenLog(f"{where}: the record is damaged (checksum); {_REBUILD}")
    return json.loads(bytes(rest[:length])), rest[length:]


class Recovery:
    """State in the making: feed it the records of a state partition in order, then `finish`. rows: how many were told so far."""

    def __init__(self, state: State, recent: Recent, *, where: str) -> None:
        self.state, self.recent, self._where = state, recent, where
        self.reached, self.rows, self.fuse = -1, 0, ""
        self._swept = self._log_first = -1
        self._gap = (0, 0)
        self._parts: dict[tuple[str, int], dict[int, tuple[dict[str, Any], memoryview]]] = {}
        self._ends = {name: Growing(8) for name in state.tables}
        self._shapes = {name: shape(table.spec.dtype) for name, table in state.tables.items()}
        self._head = 0

    def feed(self, raw: bytes, offset: int) -> None:
        """Take in one record. Raises BrokenLog if it is damaged or of another shape."""
        where = f"{self._where} offset {offset}"
        header, body = _parse(raw, where)
        self._check(header, body, where)
        self._log_first = offset if self._log_first < 0 else self._log_first
        same = self._parts.setdefault((header["writer"], header["epoch"]), {})
        same[header["part"]] = (header, body)
        if len(same) < header["parts"]:
            return
        del self._parts[header["writer"], header["epoch"]]
        start, end = header["from"], header["to"]
        if start > max(self.reached, 0):
            self._gap = (max(self.reached, 0), start)
        source, log = header["swept"]
        if log >= self._log_first:  # else what it told is not all here any more
            self._swept = max(self._swept, source)
        for _, (part, sections) in sorted(same.items()):
            self._apply(part["sections"], sections, end)
        if end >= self.reached:
            self.reached, self._head = end, header["head"]
            self.state.models = dict(header["models"])
            self.state.numbers = dict(header["numbers"])
            self.state.refused = dict(header["refused"])
            self.fuse = header.get("fuse", "")

    def _check(self, header: dict[str, Any], body: memoryview, where: str) -> None:
        size = 0
        for kind, name, count, *more in header["sections"]:
            if kind != "ids" and name not in self._shapes:
                known = ", ".join(self._shapes) or "none"
                raise BrokenLog(f"{where}: rows of a table {name!r}, expected tables: {known}; {_REBUILD}")
            if kind == "rows" and more != [self._shapes[name]]:
                raise BrokenLog(f"{where}: rows of {name} have the shape {more}, expected {self._shapes[name]}; {_REBUILD}")
            size += count * (16 + (self.state.tables[name].spec.dtype.itemsize if kind == "rows" else 0))
        if size != len(body):
            raise BrokenLog(f"{where}: expected {size} bytes of rows, found {len(body)}; {_REBUILD}")

    def _apply(self, sections: list[list[Any]], body: memoryview, end: int) -> None:
        at = 0
        for kind, name, count, *_ in sections:
            words = np.frombuffer(body, np.uint64, 2 * count, at)
            at += 16 * count
            if kind == "ids":
                self.recent.put(name, words[:count], words[count:].view(np.int64))
                continue
            table = self.state.tables[name]
            slots = table.place(words.reshape(count, 2).copy())
            self._ends[name].reach(len(table.rows))
            ends = self._ends[name].items.reshape(-1).view(np.int64)
            if kind == "gone":
                # A dropped key keeps its place until the end, so that an older row cannot bring it back.
                undoing.bury(slots, ends, end)
                continue
            width = table.spec.dtype.itemsize
            undoing.merge(slots, np.frombuffer(body, np.uint8, count * width, at).reshape(count, width), table.raw, ends, end)
            at += count * width
            self.rows += count

    def finish(self) -> int:
        """Return the source offset to go on from; -1 if the log was empty. Incomplete epochs at the end do not count.

        Raises BrokenLog if the log has a gap, at its beginning included, and no whole snapshot that was begun behind it.
        """
        if self._swept < self._gap[1] > 0:
            raise BrokenLog(
                f"{self._where}: offsets {self._gap[0]} to {self._gap[1]} of the source are missing from the state log, and no whole "
                f"snapshot was begun behind them; {_REBUILD}"
            )
        for name, table in self.state.tables.items():
            ends = self._ends[name].items.reshape(-1).view(np.int64)[: table.used]
            table.drop(np.flatnonzero(ends <= self._swept + 1))  # negative if dropped
            table.forget_changes()
        self._ends.clear()
        self.recent.settle(self._head)
        return self.reached
