"""When do dead letters mean that the fault is ours? When too many come in a row, or too large a share: then the agent stops.

Nothing of the batch in which that happens leaves, so nothing is set aside wholesale: the worker ends, a person mends the cause or
raises the limit, and the agent goes on with the very same records. Both measures count record by record, over the borders of
batches, and what they know travels with the state log: how the log is cut, and how often a worker starts again, changes neither.
Control records count for nothing, for they come whatever the apps do.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from infra.errors import Fault
from schemas.columns import Records
from streams.engine.processor import LETTER, NEUTRAL, Effects

Bools = NDArray[np.bool_]


@dataclass
class _Seen:
    """What one partition has brought: letters since its last event, and which of its last `window` records were letters."""

    run: int = 0
    tail: Bools = field(default_factory=lambda: np.empty(0, np.bool_))
    clean: bool = True
    """There is no letter in the tail."""


class Fuse:
    """Judges each batch before it leaves. in_a_row: so many letters without an event between them stop the agent.

    share, window: so do more letters than this share of a partition's last `window` records; not before so many were seen. A share
    of 1 is never passed.
    """

    def __init__(self, in_a_row: int, *, share: float = 0.5, window: int = 1000) -> None:
        self._in_a_row, self._share, self._window = in_a_row, share, window
        self._none = np.zeros(window, np.bool_)
        self._seen: dict[tuple[str, int], _Seen] = {}

    def judge(self, agent: str, records: Records, effects: Effects) -> None:
        """Let the batch pass. Raises Fault if it must not leave: then nothing of it was sent or acknowledged."""
        seen = self._seen.setdefault((records.topic, records.partition), _Seen())
        fates = effects.fates[effects.fates != NEUTRAL]
        letters = fates == LETTER
        if seen.clean and not letters.any():  # nearly always: nothing to count
            if len(fates):
                seen.run, seen.tail = 0, self._none[: len(seen.tail) + len(fates)]
            return
        runs, shares = _runs(letters, seen.run), _in_window(letters, seen.tail, self._window)
        where = f"{agent}: {records.topic}[{records.partition}]"
        if (longest := int(runs.max(initial=0))) >= self._in_a_row:
            raise Fault(f"{where}: {longest:,} messages in a row became dead letters, {self._next_step(records, effects)}")
        if (most := int(shares.max(initial=0))) > self._share * self._window:
            raise Fault(
                f"{where}: {most:,} of {self._window:,} messages became dead letters, {self._next_step(records, effects)}"
            )
        if len(letters):
            seen.run = int(runs[-1])
            seen.tail = np.concatenate([seen.tail, letters])[-self._window :]
            seen.clean = not seen.tail.any()

    def memory(self, topic: str, partition: int) -> str:
        """Return what is known of a partition, for `remember`: a few characters, a few hundred while its window holds a letter."""
        seen = self._seen.get((topic, partition), _Seen())
        bits = np.packbits(seen.tail).tobytes().hex() if seen.tail.any() else ""
        return f"{seen.run}.{len(seen.tail)}.{bits}"

    def remember(self, topic: str, partition: int, memory: str) -> None:
        """Put back what `memory` said when a partition is taken over; an empty text forgets."""
        self._seen[topic, partition] = seen = _Seen()
        if memory:
            run, length, bits = memory.split(".")
            packed = np.frombuffer(bytes.fromhex(bits), np.uint8)
            tail = np.unpackbits(packed, count=int(length)).astype(np.bool_) if bits else np.zeros(int(length), np.bool_)
            seen.run, seen.tail = int(run), tail[-self._window :]  # another process may have had a larger window
            seen.clean = not seen.tail.any()

    def _next_step(self, records: Records, effects: Effects) -> str:
        index, reason, detail = effects.first_letter
        return (
            f"first in this batch the one at offset {int(records.offsets[index])} ({reason}: {detail[:200]}). Nothing of this batch was "
            "sent. This looks like a release of ours or of an upstream app, not like bad messages: put that right and start again, "
            "nothing is lost; or let them become letters with AFFLUENT_STREAM__LETTERS_IN_A_ROW above "
            f"{self._in_a_row:,} (now) and AFFLUENT_STREAM__LETTERS_SHARE=1"
        )


def _runs(letters: Bools, before: int) -> NDArray[np.int64]:
    """Return at each record how many letters there were since the last event. before: at the start.

    >>> _runs(np.array([True, False, True, True]), 5).tolist()
    [6, 0, 1, 2]
    """
    place = np.arange(len(letters))
    last_event = np.maximum.accumulate(np.where(letters, -1 - before, place))
    return place - last_event


def _in_window(letters: Bools, tail: Bools, window: int) -> NDArray[np.int64]:
    """Return at each record how many of the last `window` were letters, 0 where fewer have been seen. tail: those before.

    >>> _in_window(np.array([True, False, True]), np.array([True]), 3).tolist()
    [0, 2, 2]
    """
    total = np.concatenate([[0], np.cumsum(np.concatenate([tail, letters]))])
    last = np.arange(len(tail) + 1, len(total))
    full = last[last >= window]
    return np.concatenate([np.zeros(len(last) - len(full), np.int64), total[full] - total[full - window]])
