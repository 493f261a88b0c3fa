"""How is state written down, and read back?

One record of the state topic closes one *epoch*: the source offsets [from, to), the rows they changed, the ids they brought, the
models and control numbers in force, and the next few rows of a rolling snapshot. An epoch too large for one message is split into
parts and counts only when all have come. On reading back, a row is replaced only by a row of an epoch that ends later, so what a
stopped worker writes late changes nothing; a missing stretch is refused.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.errors import Fault
from models.tables import Image, State
from streams.engine.recent import Recent

MAGIC = b"AFS1"
PART_BYTES = 900_000
_HEAD = struct.Struct(">4sII")
"""Magic, length of the JSON header, CRC-32 of all that follows."""


class BrokenLog(Fault):
    """The state log cannot be trusted: says where and why. State is rebuilt from the facts or not at all, never guessed."""


@dataclass(frozen=True)
class Epoch:
    """What one group commit holds. `rows` are the changed rows and those of the snapshot's next step, by table."""

    start: int
    end: int
    rows: tuple[tuple[str, Image], ...]
    ids: tuple[tuple[int, NDArray[np.uint64], NDArray[np.int64]], ...]
    head: int
    models: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    fuse: str = ""
    """What the fuse remembers of the partition."""


def _pieces(epoch: Epoch, limit: int) -> Iterator[tuple[list[Any], bytes]]:
    """Cut the epoch's sections so that each fits a part: [kind, name or first number, count], bytes."""
    for name, image in epoch.rows:
        width = 17 + image.rows.dtype.itemsize
        step = max(1, limit // width)
        for a in range(0, len(image.keys), step):
            b = a + step
            body = image.keys[a:b].tobytes() + image.live[a:b].tobytes() + image.rows[a:b].tobytes()
            yield ["rows", name, len(image.keys[a:b])], body
    for first, ids, at in epoch.ids:
        step = limit // 16
        for a in range(0, len(ids), step):
            yield ["ids", first + a, len(ids[a : a + step])], ids[a : a + step].tobytes() + at[a : a + step].tobytes()


def write(epoch: Epoch, *, writer: str, number: int, limit: int = PART_BYTES) -> list[bytes]:
    """Return the epoch as one or more records of at most about `limit` bytes. writer: unique to this process."""
    parts: list[list[tuple[list[Any], bytes]]] = [[]]
    size = 0
    for piece in _pieces(epoch, limit):
        if size + len(piece[1]) > limit and parts[-1]:
            parts.append([])
            size = 0
        parts[-1].append(piece)
        size += len(piece[1])
    return [
        _frame(
            {
                "writer": writer, "epoch": number, "part": i, "parts": len(parts), "from": epoch.start, "to": epoch.end,
                "head": epoch.head, "models": epoch.models, "numbers": epoch.numbers, "refused": epoch.refused,
                **({"fuse": epoch.fuse} if epoch.fuse else {}),
                "sections": [section for section, _ in part],
            },
            b"".join(body for _, body in part),
        )
        for i, part in enumerate(parts)
    ]  # fmt: skip


def _frame(header: Mapping[str, Any], body: bytes) -> bytes:
    text = json.dumps(header, separators=(",", ":"), default=dict).encode()
    return _HEAD.pack(MAGIC, len(text), zlib.crc32(body, zlib.crc32(text))) + text + body


def _parse(raw: bytes, where: str) -> tuple[dict[str, Any], memoryview]:
    if len(raw) < _HEAD.size:
        raise BrokenLog(f"{where}: expected a state record, found {len(raw)} bytes")
    magic, length, crc = _HEAD.unpack_from(raw)
    text, body = raw[_HEAD.size : _HEAD.size + length], memoryview(raw)[_HEAD.size + length :]
    if magic != MAGIC or zlib.crc32(body, zlib.crc32(text)) != crc:
        raise BrokenLog(f"{where}: the record is damaged (checksum); rebuild the state: delete its topic and start again")
    return json.loads(text), body


class Recovery:
    """State in the making: feed it the records of a state partition in order, then `finish`."""

    def __init__(self, state: State, recent: Recent, *, where: str) -> None:
        self.state, self.recent, self._where = state, recent, where
        self.reached = -1
        self.fuse = ""
        self._parts: dict[tuple[str, int], list[tuple[dict[str, Any], memoryview]]] = {}
        self._ends = {name: np.full(len(table.rows), -1, np.int64) for name, table in state.tables.items()}
        self._dead = {name: np.zeros(len(table.rows), np.bool_) for name, table in state.tables.items()}
        self._head = 0

    def feed(self, raw: bytes, offset: int) -> None:
        """Take in one record. Raises BrokenLog if it is damaged, of another shape, or leaves a gap."""
        header, body = _parse(raw, f"{self._where} offset {offset}")
        same = self._parts.setdefault((header["writer"], header["epoch"]), [])
        same.append((header, body))
        if len(same) < header["parts"]:
            return
        del self._parts[header["writer"], header["epoch"]]
        start, end = header["from"], header["to"]
        if self.reached >= 0 and start > self.reached:
            raise BrokenLog(f"{self._where}: offsets {self.reached} to {start} of the source are missing from the state log")
        for part, sections in same:
            self._apply(part["sections"], sections, end)
        if end >= self.reached:
            self.reached, self._head = end, header["head"]
            self.state.models = dict(header["models"])
            self.state.numbers = dict(header["numbers"])
            self.state.refused = dict(header["refused"])
            self.fuse = header.get("fuse", "")

    def _apply(self, sections: Iterable[list[Any]], body: memoryview, end: int) -> None:
        at = 0
        for kind, name, count in sections:
            if kind == "ids":
                ids = np.frombuffer(body, np.uint64, count, at)
                self.recent.put(name, ids, np.frombuffer(body, np.int64, count, at + 8 * count))
                at += 16 * count
                continue
            table = self.state.tables[name]
            keys = np.frombuffer(body, np.uint64, 2 * count, at).reshape(count, 2)
            live = np.frombuffer(body, np.bool_, count, at + 16 * count)
            rows = np.frombuffer(body, table.spec.dtype, count, at + 17 * count)
            at += count * (17 + table.spec.dtype.itemsize)
            slots = table.slots(keys)
            self._ends[name] = ends = _grown(self._ends[name], len(table.rows), -1)
            self._dead[name] = dead = _grown(self._dead[name], len(table.rows), False)
            newer = ends[slots] <= end
            table.rows[slots[newer]] = rows[newer]
            ends[slots[newer]] = end
            # A dropped key keeps its place until the end, so that an older row cannot bring it back.
            dead[slots[newer]] = ~live[newer]
            table.forget_changes()

    def finish(self) -> int:
        """Return the source offset to go on from; -1 if the log was empty. Incomplete epochs at the end do not count."""
        for name, dead in self._dead.items():
            table = self.state.tables[name]
            table.drop(np.flatnonzero(dead))
            table.forget_changes()
        self.recent.settle(self._head)
        return self.reached


def _grown(array: NDArray[Any], size: int, fill: Any) -> NDArray[Any]:
    return array if len(array) >= size else np.concatenate([array, np.full(size - len(array), fill, array.dtype)])
