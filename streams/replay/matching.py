"""Do two streams of outputs hold the same bytes under the same ids? Both are taken in as they come; an id is judged when both have it.

An output that only one side has brought yet is *held*: its bytes are kept in one buffer, up to HELD_BYTES, beyond which a 128-bit
hash of them stands in for them. When the other side brings the id, the bytes are compared in a compiled loop and given up; the hash
stays, for what was published again must be the same. Of the ids that both sides have, those of the last WINDOW published records at
least are remembered, 100 bytes each.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.tables import Table, TableSpec
from schemas.columns import Strings, hash_strings

HELD_BYTES = 64 << 20
WINDOW = 250_000
HELD, EQUAL, DIFFERENT, AGAIN, CHANGED = range(5)
"""What became of a record: held; the same on both sides, or not; told before by its own side, with the same bytes, or with others."""

Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]
ROW = np.dtype(
    [
        ("source", "i8"),  # offset of the fact that led to it, plus 1; 0 while only published
        ("published", "i8"),  # offset where it was first published, plus 1; 0 while only recomputed
        ("appended_at", "i8"),  # ms, of the fact or of the publication, whichever is held
        ("place", "i8"),  # where its bytes lie in the buffer; -1 if only their hash is kept
        ("cause", "u8"),  # hash of the cause's id, where it was published first
        ("high", "u8"),  # hash of key and value
        ("low", "u8"),
        ("key_size", "i4"),
        ("value_size", "i4"),
    ]
)


@dataclass(frozen=True)
class Outputs:
    """n outputs of one side. ids, causes: 128-bit hashes of the texts. offsets: where they were published, or of their facts."""

    ids: Hashes
    causes: Hashes
    offsets: Numbers
    appended_at: Numbers
    keys: Strings
    values: Strings

    def __len__(self) -> int:
        """Return n."""
        return len(self.ids)

    def take(self, rows: Any) -> "Outputs":
        """Return these rows."""
        return Outputs(
            self.ids[rows],
            self.causes[rows],
            self.offsets[rows],
            self.appended_at[rows],
            self.keys.take(rows),
            self.values.take(rows),
        )


@compiled
def _same(a: Any, at: int, b: Any, start: int, size: int) -> bool:
    """Whether two stretches hold the same bytes. Unsigned places, which cannot count from the end, and no early end: many at a time."""
    p, q, other = np.uint64(at), np.uint64(start), np.uint8(0)
    for k in range(np.uint64(max(size, 0))):
        other |= a[p + k] ^ b[q + k]
    return bool(other == 0)


@compiled
def _copy(source: Any, start: int, size: int, target: Any, at: int) -> int:
    """Copy a stretch of bytes; return where the next goes."""
    p, q = np.uint64(start), np.uint64(at)
    for k in range(np.uint64(max(size, 0))):
        target[q + k] = source[p + k]
    return at + max(size, 0)


@compiled
def _meet(
    ours: bool, slots: Any, offsets: Any, appended_at: Any, causes: Any, hashes: Any,
    key_data: Any, key_start: Any, key_length: Any, data: Any, start: Any, length: Any,
    rows: Any, buffer: Any, counts: Any, became: Any, waited_ms: Any, others: Any,
) -> None:  # fmt: skip
    """Take in the records of one side (ours: the recomputed one); fill what became of each.

    counts: [where the buffer's free part begins, bytes held]. waited_ms: from the fact's append to the output's, of those judged.
    others: of those judged, the place of the other side's bytes.
    """
    for i in range(slots.shape[0]):
        row = rows[slots[i]]
        mine, theirs = (row.source, row.published) if ours else (row.published, row.source)
        key_size, size = key_length[i], length[i]
        same_hash = row.high == hashes[i, 0] and row.low == hashes[i, 1]
        waited_ms[i], others[i] = 0, -1
        if mine > 0:
            became[i] = AGAIN if ours or same_hash else CHANGED
            continue
        if ours:
            row.source = offsets[i] + 1
        else:
            row.published = offsets[i] + 1
            row.cause = causes[i, 0]
        if theirs == 0:
            became[i] = HELD
            row.appended_at, row.place = appended_at[i], counts[0]
            row.key_size, row.value_size = key_size, size
            at = _copy(key_data, key_start[i], key_size, buffer, counts[0])
            at = _copy(data, start[i], size, buffer, at)
            counts[1] += at - counts[0]
            counts[0] = at
        else:
            place = row.place
            if place < 0:
                equal = same_hash
            else:
                kept = max(row.key_size, 0)
                equal = row.key_size == key_size and row.value_size == size
                equal = equal and _same(buffer, place, key_data, key_start[i], key_size)
                equal = equal and _same(buffer, place + kept, data, start[i], size)
                counts[1] -= kept + max(row.value_size, 0)
            became[i] = EQUAL if equal else DIFFERENT
            others[i] = place
            waited_ms[i] = row.appended_at - appended_at[i] if ours else appended_at[i] - row.appended_at
        if theirs == 0 or not ours:  # what is published again is held against what was published first
            row.high, row.low = hashes[i, 0], hashes[i, 1]


@compiled
def _move(rows: Any, slots: Any, buffer: Any, target: Any) -> int:
    """Copy the bytes of these rows, which lie in this order, to the beginning of target; return where they end."""
    end = 0
    for i in range(slots.shape[0]):
        row = rows[slots[i]]
        size = max(row.key_size, 0) + max(row.value_size, 0)
        start, row.place = row.place, end
        end = _copy(buffer, start, size, target, end)
    return end


@dataclass(frozen=True)
class Met:
    """What became of a batch of outputs: arrays of n. slots: their rows in the matching's table."""

    slots: Numbers
    became: NDArray[np.uint8]
    waited_ms: Numbers
    others: Numbers

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which met the other side's."""
        return np.asarray((self.became == EQUAL) | (self.became == DIFFERENT))


def _sealed(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view that nobody can write to: numba would compile once more for each mixture of those that can and cannot be."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


class Matching:
    """The outputs of one topic's partition, from both sides."""

    def __init__(self, *, held_bytes: int = HELD_BYTES, window: int = WINDOW) -> None:
        self._table = Table(TableSpec("outputs", ROW))
        self._buffer = np.empty(1 << 16, np.uint8)
        self._counts = np.zeros(2, np.int64)
        self._held_bytes, self._window = held_bytes, window
        self._newest, self._forget_at = -1, window
        self.forgot_below = 0
        """Ids first published below this offset may have been forgotten."""

    @property
    def rows(self) -> NDArray[Any]:
        """The table of outputs; valid until the next `take_in`."""
        return self._table.rows

    @property
    def capacity_bytes(self) -> int:
        """Memory held."""
        return self._table.capacity_bytes + self._buffer.nbytes

    def take_in(self, outputs: Outputs, *, ours: bool) -> Met:
        """Take in outputs of one side, in their order. ours: the recomputed side."""
        n, keys, values = len(outputs), outputs.keys, outputs.values
        self._make_room(int(np.maximum(keys.length, 0).sum()) + int(np.maximum(values.length, 0).sum()))
        slots = self._table.slots(np.ascontiguousarray(outputs.ids))
        met = Met(slots, np.empty(n, np.uint8), np.empty(n, np.int64), np.empty(n, np.int64))
        _meet(
            ours, _sealed(slots), _sealed(outputs.offsets), _sealed(outputs.appended_at), _sealed(outputs.causes),
            _sealed(hash_strings(keys, values)), _sealed(keys.data), _sealed(keys.start), _sealed(keys.length),
            _sealed(values.data), _sealed(values.start), _sealed(values.length),
            self._table.rows, self._buffer, self._counts, met.became, met.waited_ms, met.others,
        )  # fmt: skip
        self._table.forget_changes()
        if not ours and n:
            self._newest = max(self._newest, int(outputs.offsets[-1]))
        return met

    def held(self, place: int, row: Any) -> tuple[bytes | None, bytes | None]:
        """Return key and value that were held at a place, until the next `take_in`; row: of the table."""
        keep = max(int(row["key_size"]), 0)
        raw = self._buffer[place : place + keep + max(int(row["value_size"]), 0)].tobytes()
        return (None if row["key_size"] < 0 else raw[:keep], None if row["value_size"] < 0 else raw[keep:])

    def alone(self, *, ours: bool) -> Numbers:
        """Return the rows that only one side has, in its order."""
        rows = self._table.rows[: self._table.used]
        mine, theirs = (rows["source"], rows["published"]) if ours else (rows["published"], rows["source"])
        slots = np.flatnonzero((mine > 0) & (theirs == 0))
        return slots[np.argsort(mine[slots], kind="stable")]

    def find(self, ids: Hashes) -> Numbers:
        """Return the row of each id, -1 where it is not known."""
        return self._table.find(np.ascontiguousarray(ids))

    def drop(self, slots: Numbers) -> None:
        """Forget these rows."""
        rows = self._table.rows
        held = slots[(rows["place"][slots] >= 0) & ((rows["source"][slots] > 0) != (rows["published"][slots] > 0))]
        sizes = np.maximum(rows["key_size"][held], 0).astype(np.int64) + np.maximum(rows["value_size"][held], 0)
        self._counts[1] -= int(sizes.sum())
        self._table.drop(slots)
        self._table.forget_changes()

    def forget(self) -> None:
        """Forget the ids that both sides have and that were published more than a window ago."""
        if self._newest < self._forget_at:
            return
        self._forget_at = self._newest + self._window // 2
        rows, below = self._table.rows[: self._table.used], self._newest - self._window
        self.drop(np.flatnonzero((rows["source"] > 0) & (rows["published"] > 0) & (rows["published"] <= below)))
        self.forgot_below = below

    def _make_room(self, more: int) -> None:
        """See that the buffer has room for so many bytes more: close its gaps, or grow it, or give all bytes up."""
        free, held = (int(count) for count in self._counts)
        if free + more <= len(self._buffer):
            return
        rows = self._table.rows[: self._table.used]
        slots = np.flatnonzero((rows["place"] >= 0) & ((rows["source"] > 0) != (rows["published"] > 0)))
        if held + more > self._held_bytes:
            rows["place"][slots] = -1
            self._counts[:] = 0
            slots = slots[:0]
            held = 0
        target = np.empty(max(len(self._buffer), 1 << int(2 * (held + more) - 1).bit_length()), np.uint8)
        self._counts[0] = _move(self._table.rows, slots[np.argsort(rows["place"][slots])], self._buffer, target)
        self._buffer = target
