"""Do the outputs of one topic come out again? Both sides are read by turns and matched by event id, byte for byte.

The published side is read as far as the recomputed one waits for it, and at most AHEAD records further: both are in the same order, up
to what was published again after a crash. So memory stays bounded whatever the length of the log (`matching` says how).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Batch, Reader, hash_strings
from schemas.event import Event, Topic
from streams.replay.log import Log
from streams.replay.matching import CHANGED, DIFFERENT, EQUAL, HELD, WINDOW, Matching, Met, Outputs
from streams.replay.verdict import (
    BY_FACT,
    BY_RECORD,
    EXTRA,
    MISSING,
    OTHERWISE,
    TWICE,
    UNREAD,
    UNREADABLE,
    Difference,
    Pair,
    Schemas,
    Verdict,
    compare,
    named,
)

AHEAD = 50_000


@dataclass(frozen=True)
class Place:
    """Where the outputs of a partition of facts are published, and which of the records there are meant (None: all)."""

    topic: Topic
    partition: int
    source_partition: int
    mine: Callable[[Batch], NDArray[np.bool_]] | None = None


class Comparison:
    """What one partition of facts led to in one topic."""

    def __init__(
        self, log: Log, place: Place, schemas: Schemas, verdict: Verdict, *, start: int = 0, latencies: bool = False,
        window: int = WINDOW,
    ) -> None:  # fmt: skip
        """start: outputs of facts before this offset are made again, but not judged. window: see `matching`."""
        self._log, self._place, self._schemas, self._verdict, self._start = log, place, schemas, verdict, start
        self._matching = Matching(window=window)
        self._first, end = log.bounds(place.topic.name, place.partition)
        self._published = self._read(self._first, end, told=True)
        self._waiting = self._ahead = 0
        self._late: list[NDArray[np.int64]] | None = [] if latencies else None
        self._began: tuple[int, int] | None = None
        """The first published record that met its recomputed one: its offset, and that of its fact."""

    def _read(self, start: int, stop: int, *, told: bool) -> Iterator[Outputs]:
        """Yield what is published. told: what cannot be read is a mismatch."""
        place, reader = self._place, Reader(self._place.topic, self._schemas)
        for records in self._log.stretch(place.topic.name, place.partition, start, stop):
            batch = reader.read(records)
            for letter in batch.letters if told and place.mine is None else ():
                offset = int(records.offsets[letter.index])
                here = Difference(place.topic.name, "?", None, letter.detail, None, place.partition, offset)
                self._verdict.differ(UNREADABLE, 1, (UNREAD, offset, place.topic.name), here)
            causes = np.zeros((len(records), 2), np.uint64)
            for event in batch.holds:
                if "cause" in event.model_fields:
                    causes[batch.order(event)] = hash_strings(batch[event]["cause"])
            rows = np.flatnonzero(batch.kind >= 0 if place.mine is None else place.mine(batch))
            yield Outputs(
                hash_strings(batch.event_ids.take(rows)), causes[rows], records.offsets[rows], records.appended_at[rows],
                records.keys.take(rows), records.values.take(rows),
            )  # fmt: skip

    def recomputed(self, event: type[Event], outputs: Outputs) -> None:
        """Take in outputs that were made again, and read what was published of them."""
        verdict, judged = self._verdict, int((outputs.offsets >= self._start).sum())
        if judged:
            verdict.compared += judged
            verdict.outputs[event.__name__] = verdict.outputs.get(event.__name__, 0) + judged
        met = self._matching.take_in(outputs, ours=True)
        self._waiting += int((met.became == HELD).sum())
        self._ahead -= int(met.judged.sum())
        self._judge(met, outputs, outputs.offsets, ours=True)
        while self._waiting and self._ahead < AHEAD and (found := next(self._published, None)) is not None:
            self._take_published(found)
        self._matching.forget()

    def _take_published(self, outputs: Outputs) -> None:
        met = self._matching.take_in(outputs, ours=False)
        self._ahead += int((met.became == HELD).sum())
        self._waiting -= int(met.judged.sum())
        self._judge(met, outputs, self._matching.rows["source"][met.slots] - 1, ours=False)

    def _judge(self, met: Met, outputs: Outputs, facts: NDArray[np.int64], *, ours: bool) -> None:
        """Note what came out otherwise, and how late the rest came. facts: the offset of each output's fact."""
        both, topic = met.judged, self._place.topic.name
        if self._first > 0 and both.any():
            published = self._matching.rows["published"][met.slots[both]] - 1
            at = int(np.argmin(published))
            here = (int(published[at]), int(facts[both][at]))
            self._began = min(self._began or here, here)
        if self._late is not None:
            equal = (met.became == EQUAL) & (facts >= self._start)
            since = outputs.appended_at[equal] - (0 if ours else met.waited_ms[equal])
            self._late.append(np.stack([since, met.waited_ms[equal]]))
        wrong = np.flatnonzero((met.became == DIFFERENT) & (facts >= self._start))
        if len(wrong):
            i = int(wrong[np.argmin(facts[wrong])])
            fact = int(facts[i])
            self._verdict.differ(
                OTHERWISE, len(wrong), (BY_FACT, fact, topic), lambda: self._otherwise(met, outputs, i, fact, ours=ours)
            )
        changed = np.flatnonzero(met.became == CHANGED)
        if len(changed):
            i = int(changed[0])
            before = int(self._matching.rows["published"][met.slots[i]]) - 1
            self._verdict.differ(TWICE, len(changed), (BY_RECORD, before, topic), lambda: self._twice(outputs, i, before))

    def _otherwise(self, met: Met, outputs: Outputs, i: int, fact: int, *, ours: bool) -> Difference:
        topic, partition, mine = self._place.topic, self._place.source_partition, _pair(outputs, i)
        if met.others[i] < 0:  # it waited for so long that only the hash of its bytes was kept
            return Difference(*named(topic, self._schemas, mine), "bytes", "too long ago to tell", "others", partition, fact)
        other = self._matching.held(int(met.others[i]), self._matching.rows[met.slots[i]])
        published, recomputed = (other, mine) if ours else (mine, other)
        return Difference(*compare(topic, self._schemas, published, recomputed), partition, fact)

    def _twice(self, outputs: Outputs, i: int, before: int) -> Difference:
        known = named(self._place.topic, self._schemas, _pair(outputs, i))
        what, then = "published twice, differently", f"at offset {before}"
        return Difference(*known, what, then, f"other bytes at offset {outputs.offsets[i]}", self._place.partition, before)

    def finish(self, beyond: NDArray[np.uint64]) -> None:
        """Read the rest, and judge what only one side has. beyond: ids of facts behind the last one that was folded, hashed, sorted."""
        matching, verdict, topic = self._matching, self._verdict, self._place.topic.name
        extra = matching.alone(ours=False)
        matching.drop(extra[_among(matching.rows["cause"][extra], beyond)])
        for found in self._published:
            self._take_published(found.take(~_among(found.causes[:, 0], beyond)))
            matching.forget()
        if matching.forgot_below and len(matching.alone(ours=False)):
            self._excuse_late_repeats()
        missing = matching.alone(ours=True)
        facts = matching.rows["source"][missing] - 1
        missing, facts = self._without_removed(missing[facts >= self._start], facts[facts >= self._start])
        if len(missing):
            tell = self._alone(missing[0], int(facts[0]), None, "recomputed, but never published")
            verdict.differ(MISSING, len(missing), (BY_FACT, int(facts[0]), topic), tell)
        extra = matching.alone(ours=False)
        if len(extra):
            at = int(matching.rows["published"][extra[0]]) - 1
            tell = self._alone(extra[0], at, "published, but not recomputed", None)
            verdict.differ(EXTRA, len(extra), (BY_RECORD, at, topic), tell)
        if self._late:
            late = np.concatenate([np.stack([verdict.appended_ms, verdict.latency_ms]), *self._late], axis=1)
            verdict.appended_ms, verdict.latency_ms = late[:, np.lexsort((late[1], late[0]))]

    def _without_removed(
        self, missing: NDArray[np.int64], facts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Leave out, and count, the outputs before the first one that retention has left."""
        if self._first == 0:
            return missing, facts
        begins = self._began[1] if self._began else int(facts.max(initial=-1)) + 1
        gone = facts < begins
        if gone.any():
            verdict, number = self._verdict, self._place.source_partition
            verdict.removed += int(gone.sum())
            verdict.compared -= int(gone.sum())
            verdict.begins[number] = max(begins, verdict.begins.get(number, 0))
        return missing[~gone], facts[~gone]

    def _alone(self, slot: int, offset: int, published: str | None, recomputed: str | None) -> Callable[[], Difference]:
        def tell() -> Difference:
            row, place = self._matching.rows[slot], self._place
            held = self._matching.held(int(row["place"]), row) if row["place"] >= 0 else (None, None)
            partition = place.partition if recomputed is None else place.source_partition
            return Difference(*named(place.topic, self._schemas, held), None, published, recomputed, partition, offset)

        return tell

    def _excuse_late_repeats(self) -> None:
        """What seems to be published only may repeat what was forgotten: look into what was published before it."""
        matching, topic = self._matching, self._place.topic.name
        for before in self._read(self._first, matching.forgot_below, told=False):
            slots = matching.find(before.ids)
            mine = np.flatnonzero(slots >= 0)
            rows = matching.rows[slots[mine]]
            repeated = (rows["source"] == 0) & (rows["published"] - 1 > before.offsets[mine])
            mine, rows = mine[repeated], rows[repeated]
            hashes = hash_strings(before.keys.take(mine), before.values.take(mine))
            changed = mine[(rows["high"] != hashes[:, 0]) | (rows["low"] != hashes[:, 1])]
            if len(changed):
                i, at = int(changed[0]), int(before.offsets[changed[0]])
                known = named(self._place.topic, self._schemas, _pair(before, i))
                then, now = f"at offset {at}", f"other bytes at offset {matching.rows['published'][slots[i]] - 1}"
                here = Difference(*known, "published twice, differently", then, now, self._place.partition, at)
                self._verdict.differ(TWICE, len(changed), (BY_RECORD, at, topic), here)
            matching.drop(slots[mine])


def _pair(outputs: Outputs, i: int) -> Pair:
    return outputs.keys.raw(i), outputs.values.raw(i)


def _among(ids: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each id is among the sorted ones."""
    if not len(known):
        return np.zeros(len(ids), np.bool_)
    return np.asarray(known[np.minimum(np.searchsorted(known, ids), len(known) - 1)] == ids)
