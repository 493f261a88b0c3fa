"""What does one agent make of the next records of one partition? The same answer in the stream and in a replay.

No Kafka here: records in, effects out. In order: decode (bad records become letters), obey control records, leave out duplicates,
run the step, and if it raises put the tables back and run ever smaller parts, so that only what raises alone becomes a letter.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.errors import Unavailable
from models.tables import State
from schemas.columns import Batch, Columns, Reader, Records, Strings, derive_ids, encode, hash_strings
from schemas.control import Control
from schemas.event import Event, Topic
from schemas.letters import DeadLetter
from streams.engine.recent import Recent
from streams.engine.topology import Agent, Output

LETTER_BYTES = 900_000
NEUTRAL, EVENT, LETTER = 0, 1, 2
"""What became of a record; neutral is a control record."""


@dataclass(frozen=True)
class Sent:
    """Encoded events of one class, ready for a topic. partition None: by key. offsets, appended_at: those of their causes."""

    event: type[Event]
    partition: int | None
    ids: Strings
    causes: Strings
    keys: Strings
    values: Strings
    offsets: NDArray[np.int64]
    appended_at: NDArray[np.int64]

    @property
    def topic(self) -> Topic:
        """Where they go."""
        return self.event.topic


@dataclass
class Effects:
    """What the first `done` records of a batch led to, in order; and what is worth a metric."""

    done: int = 0
    sent: list[Sent] = field(default_factory=list)
    letters: dict[str, int] = field(default_factory=dict)
    first_letter: tuple[int, str, str] = (0, "", "")
    duplicates: int = 0
    retried: int = 0
    events: int = 0
    fates: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    """What became of each of the `done` records: NEUTRAL, EVENT or LETTER."""
    at: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    seconds: dict[str, float] = field(default_factory=dict)


class Processor:
    """One agent over one partition, with the state it has built so far."""

    def __init__(
        self,
        agent: Agent,
        partition: int,
        *,
        reader: Reader,
        schema_ids: Mapping[type[Event], int],
        bundles: Callable[[str], Any] = lambda _: None,
    ) -> None:
        self.agent, self.partition = agent, partition
        self.state = State(agent.state, bundles, perf_counter)
        self.recent = Recent(agent.recent_ids, agent.horizon_ms)
        self.reader, self._ids = reader, schema_ids
        self._at = 0

    def process(self, records: Records) -> Effects:
        """Fold the records into the state and return the effects.

        Stops short (`effects.done`) before what cannot be done now, such as a model that cannot be loaded; raises Unavailable if that
        is the first record.
        """
        began = perf_counter()
        batch = self.reader.read(records)
        effects = Effects(done=batch.n, seconds={"decode": perf_counter() - began})
        effects.at = batch.at[batch.kind >= 0]
        failed = [(letter.index, letter.reason, letter.detail, letter.schema_id) for letter in batch.letters]
        outputs: list[tuple[Batch, Output]] = []
        for start, stop in self._segments(batch):
            try:
                self._at = start
                if start < stop:
                    self._segment(batch.slice(start, stop), start, outputs, failed, effects)
                self._at = stop
                if stop < batch.n:
                    self._obey_model(batch, stop)
            except Unavailable:
                if self._at == 0:
                    raise
                effects.done = self._at
                failed = [one for one in failed if one[0] < effects.done]
                break
        effects.fates = _fates(batch, failed)[: effects.done]
        began = perf_counter()
        effects.sent = [sent for part, output in outputs if (sent := self._encode(part, output)) is not None]
        if failed:
            effects.sent.append(self._letters(records, sorted(failed, key=lambda one: one[0]), effects))
        effects.seconds["encode"] = perf_counter() - began
        effects.seconds |= self.state.take_seconds()
        return effects

    def _segments(self, batch: Batch) -> Iterable[tuple[int, int]]:
        """Cut the batch at the control records that change a model or a setting; ticks stay inside."""
        if Control not in batch.holds or not len(batch[Control]):
            return [(0, batch.n)]
        kinds = np.asarray(batch[Control]["kind"])
        symbols = ("unknown", "model", "tick", "setting")
        cuts = batch.order(Control)[kinds != symbols.index("tick")].tolist()
        return zip([0, *(cut + 1 for cut in cuts)], [*cuts, batch.n], strict=True)

    def _obey_model(self, batch: Batch, position: int) -> None:
        control = next(iter(batch.slice(position, position + 1).rows()))
        if isinstance(control, Control) and control.number > self.state.numbers.get(control.series, -1):
            if control.kind == "model":
                self.state.swap(control.name, control.value)
            self.state.numbers[control.series] = control.number

    def _segment(
        self, batch: Batch, start: int, outputs: list[tuple[Batch, Output]], failed: list[Any], effects: Effects
    ) -> None:
        began = perf_counter()
        self._at = start
        try:
            outputs += self._run(batch, effects)
        except Unavailable:
            raise
        except Exception as whole:  # noqa: BLE001 - the one broad except: a step may fail in any way, its neighbours must go on
            if batch.n == 1:
                failed.append((start, "step_failed", f"{type(whole).__name__}: {whole}"[:500], None))
            else:
                effects.retried += 1
                # Halves, not single records at once: one bad record among thousands costs a few runs, not thousands.
                half = batch.n // 2
                self._segment(batch.slice(0, half), start, outputs, failed, effects)
                self._segment(batch.slice(half, batch.n), start + half, outputs, failed, effects)
        effects.seconds["step"] = effects.seconds.get("step", 0.0) + perf_counter() - began

    def _run(self, batch: Batch, effects: Effects) -> list[tuple[Batch, Output]]:
        """Run the step over what is neither a duplicate nor an old tick; leave no trace if it raises."""
        numbers = dict(self.state.numbers)
        drop = self._old_ticks(batch)
        facts = batch.kind >= 0
        if Control in batch.holds:
            facts &= batch.kind != batch.holds.index(Control)
        ids = hash_strings(batch.event_ids)[:, 0]
        duplicate = self.recent.seen(ids, batch.at, facts)
        rest = batch.drop(drop | duplicate) if (drop | duplicate).any() else batch
        try:
            outputs = [(rest, output) for output in self.agent.step(rest, self.state)]
        except Exception:
            self.state.restore()
            self.state.numbers = numbers
            self.state.take_counts()
            raise
        self.state.keep()
        fresh = facts & ~duplicate
        self.recent.add(ids[fresh], batch.at[fresh])
        effects.duplicates += int(duplicate.sum())
        effects.events += int(fresh.sum())
        return outputs

    def _old_ticks(self, batch: Batch) -> NDArray[np.bool_]:
        """Return which control records were obeyed before, and remember the numbers of the others."""
        old = np.zeros(batch.n, np.bool_)
        if Control in batch.holds and len(batch[Control]):
            controls = batch[Control]
            names, numbers = controls["series"], np.asarray(controls["number"])
            for position, series, number in zip(batch.order(Control).tolist(), names.tolist(), numbers.tolist(), strict=True):
                if number > self.state.numbers.get(series, -1):
                    self.state.numbers[series] = number
                else:
                    old[position] = True
        return old

    def _encode(self, batch: Batch, output: Output) -> Sent | None:
        if not len(output.cause):
            return None
        causes = batch.event_ids.take(output.cause)
        ids = derive_ids(output.event.__name__, causes, output.step)
        columns = Columns(output.event, {"event_id": ids, "at": batch.at[output.cause], "cause": causes, **output.fields})
        key = output.event.topic.key
        same = key == self.agent.reads.key
        keys = columns[key]
        return Sent(
            output.event, self.partition if same else None, ids, causes, keys, encode(columns, self._ids[output.event]),
            batch.offsets[output.cause], batch.appended_at[output.cause],
        )  # fmt: skip

    def _letters(self, records: Records, failed: list[Any], effects: Effects) -> Sent:
        letters = []
        effects.first_letter = failed[0][:3]
        for index, reason, detail, schema_id in failed:
            origin = f"{records.topic}-{records.partition}-{int(records.offsets[index])}"
            effects.letters[reason] = effects.letters.get(reason, 0) + 1
            raw = records.values.raw(index)
            letters.append(
                DeadLetter(
                    event_id=derive_ids(DeadLetter.__name__, Strings.of([f"{self.agent.name} {origin}"]))[0],
                    at=datetime.fromtimestamp(int(records.appended_at[index]) / 1000, UTC),
                    cause=origin,
                    origin_topic=records.topic,
                    origin_partition=records.partition,
                    origin_offset=int(records.offsets[index]),
                    agent=self.agent.name,
                    reason=reason,
                    detail=detail,
                    schema_id=schema_id,
                    raw_key=records.keys.raw(index),
                    raw_value=None if raw is None else raw[:LETTER_BYTES],
                    size=-1 if raw is None else len(raw),
                )
            )
        columns = Columns.of(letters)
        ids, causes, keys = (columns[name] for name in ("event_id", "cause", "origin_topic"))
        mine = np.array([one[0] for one in failed], np.int64)
        offsets, appended_at = records.offsets[mine], records.appended_at[mine]
        return Sent(DeadLetter, None, ids, causes, keys, encode(columns, self._ids[DeadLetter]), offsets, appended_at)


def _fates(batch: Batch, failed: list[Any]) -> NDArray[np.int8]:
    fates = (batch.kind >= 0).astype(np.int8) * np.int8(EVENT)
    if Control in batch.holds:
        fates[batch.kind == batch.holds.index(Control)] = NEUTRAL
    if failed:
        fates[[one[0] for one in failed]] = LETTER
    return fates
