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
    Rank,
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
        self._changed: dict[Rank, tuple[int, int]] = {}
        """Of the first record that was published twice, differently: where it lies first, and where again."""
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
            before = self._matching.rows["published"][met.slots[changed]] - 1
            self._twice(before, outputs.offsets[changed])

    def _otherwise(self, met: Met, outputs: Outputs, i: int, fact: int, *, ours: bool) -> Difference:
        topic, partition, mine = self._place.topic, self._place.source_partition, _pair(outputs, i)
        if met.others[i] < 0:  # it waited for so long that only the hash of its bytes was kept
            return Difference(*named(topic, self._schemas, mine), "bytes", "too long ago to tell", "others", partition, fact)
        other = self._matching.held(int(met.others[i]), self._matching.rows[met.slots[i]])
        published, recomputed = (other, mine) if ours else (mine, other)
        return Difference(*compare(topic, self._schemas, published, recomputed), partition, fact)

    def _twice(self, before: NDArray[np.int64], now: NDArray[np.int64]) -> None:
        """Count what was published twice, differently, at these places; the first is named when all is read."""
        i, place = int(np.argmin(before)), self._place
        at = (int(before[i]), int(now[i]))
        rank = (BY_RECORD, at[0], place.topic.name)
        here = Difference(place.topic.name, "?", "bytes", f"at offset {at[0]}", f"at offset {at[1]}", place.partition, at[0])
        if not self._changed or rank < min(self._changed):
            self._changed = {rank: at}
        self._verdict.differ(TWICE, len(before), rank, here)

    def _name_twice(self) -> None:
        """Read again what was published twice, and name the field, if that is the first difference of all."""
        verdict, place = self._verdict, self._place
        if verdict.rank not in self._changed:
            return
        pairs: list[Pair] = []
        for at in self._changed[verdict.rank]:
            for records in self._log.stretch(place.topic.name, place.partition, at, at + 1):
                pairs.append((records.keys.raw(0), records.values.raw(0)))  # noqa: PERF401  # there is one
        if len(pairs) == 2:  # retention may be at work
            event, event_id, field, first, second = compare(place.topic, self._schemas, *pairs)
            verdict.first = Difference(
                event, event_id, f"{field}, published twice", first, second, place.partition, self._changed[verdict.rank][0]
            )

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
        self._name_twice()
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
        matching = self._matching
        for before in self._read(self._first, matching.forgot_below, told=False):
            slots = matching.find(before.ids)
            mine = np.flatnonzero(slots >= 0)
            rows = matching.rows[slots[mine]]
            repeated = (rows["source"] == 0) & (rows["published"] - 1 > before.offsets[mine])
            mine, rows = mine[repeated], rows[repeated]
            hashes = hash_strings(before.keys.take(mine), before.values.take(mine))
            changed = mine[(rows["high"] != hashes[:, 0]) | (rows["low"] != hashes[:, 1])]
            if len(changed):
                self._twice(before.offsets[changed], matching.rows["published"][slots[changed]] - 1)
            matching.drop(slots[mine])


def _pair(outputs: Outputs, i: int) -> Pair:
    return outputs.keys.raw(i), outputs.values.raw(i)


def _among(ids: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each id is among the sorted ones."""
    if not len(known):
        return np.zeros(len(ids), np.bool_)
    return np.asarray(known[np.minimum(np.searchsorted(known, ids), len(known) - 1)] == ids)
