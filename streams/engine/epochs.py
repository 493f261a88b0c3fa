"""When is work done? When its outputs are delivered, then its state is written, and only then its offset committed.

A partition has one open epoch. Batches are folded while the last cut is on its way, and together form the next epoch, so nothing
waits in the compute path.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.tables import Image
from schemas.columns import Records
from streams.engine import statelog
from streams.engine.outbox import Outbox, Receipt
from streams.engine.processor import Effects, Processor

SWEEP_ROWS = 64
"""Rows of the snapshot that an epoch carries, at most, besides half as many as it changed."""
TRIM_RECORDS = 100
"""The log is cut off by so many records at once: a request each."""
FEW_RECORDS = 200
"""An epoch with fewer may wait a while for more: its outputs are long gone, and a commit costs as much as a small batch."""
ALONE_RECORDS = 200
"""Nothing is cut off before so many records in a row were our own: who has lost the partition and does not know it yet must not
delete what its heir has written."""


@dataclass
class Sweep:
    """Where the rolling snapshot stands: table by table, then the ring of recent ids, then from the start again."""

    table: int = 0
    row: int = 0
    began: tuple[int, int] = (-1, -1)
    """Offsets in source and state topic, at or before all that this sweep tells."""

    def step(self, processor: Processor, rows: int) -> tuple[list[tuple[str, Image]], list[Any], bool]:
        """Return the next rows or ids of the snapshot, and whether the sweep is complete."""
        tables = list(processor.state.tables.items())
        images: list[tuple[str, Image]] = []
        while rows > 0 and self.table < len(tables):
            name, table = tables[self.table]
            take = min(rows, table.used - self.row)
            if take > 0:
                images.append((name, table.sweep(self.row, take)))
                self.row, rows = self.row + take, rows - take
            if self.row >= table.used:
                self.table, self.row = self.table + 1, 0
        recent = processor.recent
        if rows <= 0 or self.table < len(tables):
            return images, [], False
        first = max(self.row, recent.head - recent.capacity, 0)
        ids = [recent.span(first, first + 4 * rows)]
        self.row = first + 4 * rows
        return images, ids, self.row >= recent.head

    def restart(self) -> None:
        """Begin the next sweep."""
        self.table, self.row, self.began = 0, 0, (-1, -1)


@dataclass
class Partition:
    """One partition at work: its processor, what is queued, what is under way."""

    topic: str
    number: int
    processor: Processor
    outbox: Outbox
    state_outbox: Outbox
    writer: str
    reached: int
    committed: Callable[[str, int, int], None]
    trim: Callable[[str, int, int], None]
    mute_below: int = 0
    passing: Callable[[str], None] = lambda _point: None
    fuse: Callable[[str, int], str] = lambda _topic, _partition: ""
    closed: bool = False
    pending: deque[Records] = field(default_factory=deque)
    queued: bool = False
    folding: bool = False
    expected: int = field(init=False)
    end: int = -1
    folded: int = field(init=False)
    folded_records: int = 0
    logged_records: int = 0
    _cut_records: int = 0
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    """There is an open epoch."""
    worthwhile: asyncio.Event = field(default_factory=asyncio.Event)
    """The open epoch has FEW_RECORDS or more."""
    _receipts: list[Receipt] = field(default_factory=list)
    _logged_ids: int = field(init=False)
    _epoch: int = 0
    _last: int = -1
    _alone_since: int = 0
    _trimmed: int = 0
    _sweep: Sweep = field(default_factory=Sweep)

    def __post_init__(self) -> None:
        self.folded = self.expected = self.reached
        self._logged_ids = self.processor.recent.head

    def queue(self, records: Records) -> int:
        """Queue what was not queued before and return how many records that leaves out: told again around a rebalance."""
        known = int(np.searchsorted(records.offsets, self.expected))
        if known < len(records):
            self.pending.append(records.slice(known, len(records)) if known else records)
            self.expected = next_offset(records)
        return known

    def take(self, most: int) -> Records | None:
        """Return the next records, as many whole fetches as make up to `most`, of a larger fetch its beginning; None if none wait."""
        if not self.pending:
            return None
        parts = [self.pending.popleft()]
        count = len(parts[0])
        while self.pending and count + len(self.pending[0]) <= most:
            parts.append(self.pending.popleft())
            count += len(parts[-1])
        records = Records.join(parts)
        if int(records.offsets[0]) < self.mute_below:  # a rebuild: what was sent before is not sent again, not even in part
            most = min(most, int(np.searchsorted(records.offsets, self.mute_below)))
        if len(records) > most:
            self.pending.appendleft(records.slice(most, len(records)))
            records = records.slice(0, most)
        return records

    def drop_pending(self) -> int:
        """Forget what is queued; return how many records that is."""
        count = sum(map(len, self.pending))
        self.pending.clear()
        return count

    def close(self) -> None:
        """Take nothing more, fold nothing more, cut no epoch."""
        self.closed = True
        self.drop_pending()

    def pass_end(self) -> None:
        """Step over what lies before the partition's end and is no record: markers of transactions, what compaction took."""
        if not self.closed and not self.pending and not self.folding and self.end > self.folded:
            self.folded = self.expected = self.end
            self.dirty.set()

    def fold(self, records: Records, effects: Effects, next_offset: int) -> None:
        """Take a folded batch into the open epoch; its outputs leave now, unless they left before a rebuild."""
        if effects.sent and int(records.offsets[-1]) >= self.mute_below:
            self._receipts.append(self.outbox.send(effects.sent))
        self.folded = next_offset
        self.folded_records += len(records)
        self.dirty.set()
        if self.folded_records - self._cut_records >= FEW_RECORDS:
            self.worthwhile.set()

    def _cut(self) -> tuple[statelog.Epoch, bool]:
        state, recent = self.processor.state, self.processor.recent
        changed = [(name, table.take_changes()) for name, table in state.tables.items()]
        touched = sum(len(image.keys) for _, image in changed)
        if self._sweep.began[0] < 0 <= self._last:
            self._sweep.began = (self.reached, self._last + 1)
        # The first epoch tells nothing of a sweep: until it is written we do not know where in the log we stand.
        pace = min(2 * touched + 8, SWEEP_ROWS) + touched // 2
        swept, swept_ids, complete = self._sweep.step(self.processor, pace if self._last >= 0 else 0)
        ids = [recent.span(self._logged_ids, recent.head), *swept_ids]
        self._logged_ids = recent.head
        epoch = statelog.Epoch(
            self.reached, self.folded, tuple((n, i) for n, i in (*changed, *swept) if len(i.keys)),
            tuple(one for one in ids if len(one[1])), recent.head, dict(state.models), dict(state.numbers), dict(state.refused),
            self.fuse(self.topic, self.number), self._sweep.began if complete else (-1, -1),
        )  # fmt: skip
        return epoch, complete

    async def close_epoch(self, wait: Callable[[asyncio.Future[None], str], Awaitable[None]]) -> None:
        """Cut the open epoch and see it through: outputs confirmed, state written, offset committed."""
        self.dirty.clear()
        self.worthwhile.clear()
        if self.folded == self.reached:
            return
        receipts, self._receipts = self._receipts, []
        folded = self._cut_records = self.folded_records
        epoch, complete = self._cut()
        self.passing("sent")
        for receipt in receipts:
            await wait(receipt.done, "outputs")
        self.passing("delivered")
        agent = self.processor.agent
        parts = statelog.write(epoch, writer=self.writer, number=self._epoch)
        self._epoch += 1
        receipt = self.state_outbox.send_raw(agent.state_topic.name, self.number, parts)
        await wait(receipt.done, "state")
        self.passing("written")
        if receipt.offset - len(parts) != self._last:
            self._alone_since = receipt.offset
        self._last = receipt.offset
        if complete:
            if self._sweep.began[1] - self._trimmed >= TRIM_RECORDS and self._last - self._alone_since >= ALONE_RECORDS:
                self._trimmed = self._sweep.began[1]
                self.trim(agent.state_topic.name, self.number, self._trimmed)
            self._sweep.restart()
        self.reached = epoch.end
        done, self.logged_records = folded - self.logged_records, folded
        self.committed(self.topic, self.number, done)
        self.passing("committed")


def next_offset(records: Records) -> int:
    """Return the offset after the last record."""
    return int(np.asarray(records.offsets)[-1]) + 1
