"""How late will it be? The model in force for the job's source answers; if it cannot, its simple rule does; if there is
none, nobody.

The ladder: *champion*; *baseline*, where the model part fails or answers with something that is no number; *abstained*,
where no bundle is known for the source. Each step down says why. An answer to a job that was told too late, or by a clock
that is ahead, says so too, on whatever rung.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from models.bundle import BASELINE, BadBundle, Bundle
from models.dispatch import rules
from models.dispatch.features import Features
from models.dispatch.gains import LATENESS, NAMES
from models.dispatch.order import AHEAD, AHEAD_MS, ALLOWED_LATENESS_MS, LATE
from models.scoring import ScoreFailed
from models.tables import State
from schemas.columns import Columns, Nullable, Ragged, Strings, hash_strings
from schemas.dispatch import AssignmentAccepted, Rung

NAME = "dispatch.delay"
CHAMPION, BASELINE_RUNG, ABSTAINED = (get_args(Rung).index(rung) for rung in ("champion", "baseline", "abstained"))

_MARKS = {
    LATE: f"told late: more than {ALLOWED_LATENESS_MS // 1000} s behind its depot's newest fact",
    AHEAD: f"clock ahead: more than {AHEAD_MS // 1000} s after the broker took it",
}
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Delays:
    """Answers, one per accepted job. Seconds, float64 (m,), nan where we abstained; rung: uint8, as in DelayPredicted."""

    delay_s: Floats
    low_s: Floats
    high_s: Floats
    baseline_s: Floats
    model: Strings
    rung: NDArray[np.uint8]
    reason: Strings

    def fields(self, known: Features) -> dict[str, Any]:
        """Return the fields of DelayPredicted, whose cause is `known.positions`."""
        jobs = known.accepted
        same = ("assignment_id", "depot_id", "company_id", "courier_id", "source", "promised_at")
        numbers = ("delay_s", "low_s", "high_s", "baseline_s")
        return {
            **{name: jobs[name] for name in same},
            **{name: Nullable.of_floats(getattr(self, name)) for name in numbers},
            "model": self.model, "rung": self.rung, "reason": self.reason, "features": Ragged.of(known.x.astype(np.float64)),
        }  # fmt: skip


def model_name(source: str) -> str:
    """Return the name under which the model of a source is promoted.

    >>> model_name("flights")
    'dispatch.delay/flights'
    """
    return f"{NAME}/{source}"


@dataclass(frozen=True)
class Answer:
    """What one bundle says. values: float64 (n, 4) delay, low, high, baseline, seconds; nan where nobody answered.

    champion: bool (n,), False where the baseline answered (or nobody), for the one reason given.
    """

    values: Floats
    champion: NDArray[np.bool_]
    reason: str


def answer(bundle: Bundle, jobs: Columns[AssignmentAccepted], x: NDArray[np.float32]) -> Answer:
    """Return what a bundle says of jobs: its model part where that gives a number, else its rule."""
    n = jobs.n
    try:
        baseline = bundle.parsed(BASELINE, rules.load).predict(jobs, x)
    except (BadBundle, ValueError, KeyError, TypeError) as error:
        return Answer(np.full((n, 4), np.nan), np.zeros(n, np.bool_), f"{BASELINE} cannot be used: {error}"[:1000])
    delay, reason = np.full(n, np.nan), "the model's answer is no number"
    try:
        expected = tuple(feature.name for feature in bundle.manifest.features)
        if expected != NAMES:
            raise ScoreFailed(f"the bundle expects the features {', '.join(expected)}; the fold has {', '.join(NAMES)}"[:1000])
        delay = x[:, LATENESS] + bundle.score(x)
    except ScoreFailed as failure:
        reason = str(failure)
    champion = np.isfinite(delay)
    shift = bundle.manifest.calibration
    values = np.empty((4, n))
    if champion.all():
        values[0], values[1], values[2] = delay, delay + shift.low_s, delay + shift.high_s
    else:
        values[0] = np.where(champion, delay, baseline)
        values[1] = values[0] + np.where(champion, shift.low_s, shift.baseline_low_s)
        values[2] = values[0] + np.where(champion, shift.high_s, shift.baseline_high_s)
    values[3] = baseline
    return Answer(values.T, champion, reason)


def predict(known: Features, state: State) -> Delays:
    """Return an answer for each accepted job, from the models in force; counts jobs not answered by their champion."""
    jobs, n = known.accepted, known.accepted.n
    values, rung, said = np.full((4, n), np.nan), np.full(n, ABSTAINED, np.uint8), np.zeros(n, np.int64)
    models, reasons = [""], [""]
    for source, rows in _by_source(jobs["source"]):
        name = model_name(source)
        bundle: Bundle | None = state.champion(name)
        if bundle is None:
            said[rows] = len(models)
            models.append("")
            reasons.append(_why_none(name, state))
            continue
        found = answer(bundle, jobs, known.x) if len(rows) == n else answer(bundle, jobs.take(rows), known.x[rows])
        values[:, rows] = found.values.T
        said[rows] = len(models)
        if found.champion.all():
            rung[rows] = CHAMPION
        else:
            stand_in = np.where(np.isfinite(found.values[:, 0]), BASELINE_RUNG, ABSTAINED)
            rung[rows] = np.where(found.champion, CHAMPION, stand_in)
            said[rows] += (rung[rows] != CHAMPION).astype(np.int64) + (rung[rows] == ABSTAINED)
        models += [bundle.label, f"{bundle.label} baseline", ""]
        reasons += ["", found.reason, found.reason]
    if (rung != CHAMPION).any():
        state.count("on_baseline", int((rung == BASELINE_RUNG).sum()))
        state.count("abstained", int((rung == ABSTAINED).sum()))
    delay, low, high, baseline = values
    return Delays(delay, low, high, baseline, _texts(*models).take(said), rung, _marked(reasons, said, known.standing))


@lru_cache(maxsize=64)
def _texts(*texts: str) -> Strings:
    """Return a few texts, which are the same batch after batch."""
    return Strings.of(texts)


def _marked(reasons: list[str], said: NDArray[np.int64], standing: NDArray[np.int8]) -> Strings:
    """Return the reason of each job, and behind it what is wrong with the job's time."""
    if not (standing >= LATE).any():
        return _texts(*reasons).take(said)
    every = reasons + [f"{why}; {mark}" if why else mark for mark in _MARKS.values() for why in reasons]
    return Strings.of(every).take(said + len(reasons) * np.maximum(standing - LATE + 1, 0))


def _by_source(sources: Strings) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield each source with its rows."""
    if not len(sources):
        return
    keys = hash_strings(sources)[:, 0]
    if (keys == keys[0]).all():
        yield sources[0], np.arange(len(keys))
        return
    hashes, first, group = np.unique(keys, return_index=True, return_inverse=True)
    for number in range(len(hashes)):
        yield sources[int(first[number])], np.flatnonzero(group == number)


def _why_none(name: str, state: State) -> str:
    if name in state.refused:
        return f"the bundle {state.refused[name][:12]} of {name} was refused, and there was none before it"
    return f"no model is in force for {name}"
