"""In which order do facts count, and which come too late? Event time rules, and a depot's newest fact is its clock.

A fact may be ALLOWED_LATENESS_MS older than its depot's newest and counts in full. One that is older still (*late*), or that is more
than AHEAD_MS ahead of the moment the broker took it (*ahead*: a wrong clock), is answered and marked, but teaches nothing; one that is
ahead stands at its depot's newest moment. AHEAD_MS is not more than ALLOWED_LATENESS_MS, so no wrong clock makes honest facts late.

A completion may come before its acceptance: the truth waits, at most TRUTH_WAITS_MS of its depot's time, and counts right behind the
acceptance when that comes, unless it happened before it (then it belongs to an earlier life of the job). Of two acceptances the
one that is newer by event time is in force; of two completions the first in the log is the truth.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.dispatch.tables import JOBS, SCENES, TRUTH_WAITS_MS, TRUTHS
from models.tables import State
from schemas.columns import Batch, hash_strings
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted, WeatherObserved
from schemas.event import Event

ALLOWED_LATENESS_MS = 3_600_000
AHEAD_MS = 3_600_000

ON_TIME, REORDERED, LATE, AHEAD = range(4)
"""How a fact stands in time; those from LATE on teach nothing."""
_UNMATCHED, _JOINED, _EXPIRED, _SUPERSEDED = range(4, 8)
_COUNTED = {
    REORDERED: "reordered", LATE: "late", AHEAD: "ahead", _UNMATCHED: "unmatched", _JOINED: "truth_came_first",
    _EXPIRED: "truth_expired", _SUPERSEDED: "superseded",
}  # fmt: skip
_STAYS, _OUT, _MEETS, _OLDER = range(4)
Ints = NDArray[np.int64]
_NONE: Ints = np.empty(0, np.int64)
_BLANK = np.zeros(1, TRUTHS.dtype)


@dataclass(frozen=True)
class Story:
    """The records of a part in the order in which they count: (n,) each.

    row: of its class; of a truth that waited, the number of completions plus its number in `met`. at: its moment, ms. standing:
    ON_TIME to AHEAD. opens: False for an acceptance older than the one in force. place: position in the part of the record that
    led to it. met, met_by: truths that waited, rows of TRUTHS, and the rows of their acceptances. scenes, jobs: row numbers in these
    tables, of acceptances and of completions, those that waited included (weather: scenes alone).
    """

    kind: Ints
    row: Ints
    at: Ints
    standing: NDArray[np.int8]
    opens: NDArray[np.bool_]
    place: Ints
    met: NDArray[Any]
    met_by: Ints
    scenes: tuple[Ints, Ints, Ints]
    jobs: tuple[Ints, Ints]


@compiled
def _strangers(kinds: Any, kind: Any, row: Any, job_a: Any, job_c: Any, jobs: Any, found: Any) -> int:
    """Write the rows of completions that would find no open job, if no truth waited; return how many. Leaves jobs as they were."""
    n, total = kind.shape[0], 0
    slots, olds = np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(n):
        slots[i] = -1
        if kind[i] == kinds[0]:
            slots[i] = job_a[row[i]]
        elif kind[i] == kinds[1]:
            slots[i] = job_c[row[i]]
            if slots[i] < 0 or jobs[slots[i]].at == 0:
                found[total] = row[i]
                total += 1
                slots[i] = -1
        if slots[i] >= 0:
            olds[i] = jobs[slots[i]].at
            jobs[slots[i]].at = 1 if kind[i] == kinds[0] else 0
    for i in range(n - 1, -1, -1):
        if slots[i] >= 0:
            jobs[slots[i]].at = olds[i]
    return total


@compiled
def _walk(
    kinds: Any, kind: Any, row: Any, at: Any, appended: Any, scene_a: Any, scene_c: Any, scene_w: Any, job_a: Any, job_c: Any,
    truth_a: Any, truth_c: Any, lessons: Any, scenes: Any, jobs: Any, truths: Any, truth_keys: Any, blank: Any,
    waits_ms: int, standing: Any, role: Any, met: Any, met_by: Any, counts: Any,
) -> int:  # fmt: skip
    """Judge records in log order; return how many truths that waited met their acceptance.

    Written: the depots' newest moments, since when jobs are open, the truths that wait; at: the moment at which each counts; standing,
    role; counts by code; met, met_by.
    """
    done = 0
    for i in range(kind.shape[0]):
        k, r, t = kind[i], row[i], at[i]
        if k == kinds[0]:
            s = scene_a[r]
        elif k == kinds[1]:
            s = scene_c[r]
        elif k == kinds[2]:
            s = scene_w[r]
        else:
            continue
        newest = scenes[s].newest_at
        if appended[i] > 0 and t - appended[i] > AHEAD_MS:
            standing[i] = AHEAD
            t = newest if newest > 0 else appended[i]
            at[i] = t
        else:
            if newest - t > ALLOWED_LATENESS_MS:
                standing[i] = LATE
            elif newest > t:
                standing[i] = REORDERED
            newest = max(newest, t)
            scenes[s].newest_at = newest
        counts[standing[i]] += 1
        if k == kinds[0]:
            job, w = job_a[r], truth_a[r]
            if w >= 0 and truths[w].at > 0:
                if truths[w].at >= t and newest - truths[w].at <= waits_ms:
                    met[done], met_by[done] = truths[w], r
                    done += 1
                    role[i] = _MEETS
                else:
                    counts[_EXPIRED] += 1
                    jobs[job].at = t
                truths[w] = blank[0]
            elif t < jobs[job].at:
                role[i] = _OLDER
                counts[_SUPERSEDED] += 1
            else:
                jobs[job].at = t
        elif k == kinds[1]:
            if job_c[r] >= 0 and jobs[job_c[r]].at > 0:
                jobs[job_c[r]].at = 0
                continue
            role[i] = _OUT
            counts[_UNMATCHED] += 1
            w = truth_c[r]
            if w >= 0 and truths[w].at == 0 and standing[i] != AHEAD:
                truths[w].at, truths[w].late = t, standing[i] == LATE
                truth_keys[w] = lessons[r]
    return done


def read(facts: Batch, keys: list[NDArray[np.uint64]], ended: list[NDArray[np.uint64]], state: State) -> Story:
    """Return the part as it counts. keys, ended: of acceptances and completions, the keys of courier, route, company, lane, depot, job.

    Counts `reordered`, `late`, `ahead`, `unmatched` (completions that find no open job when they are read), `truth_came_first` (those
    that met it later), `truth_expired` and `superseded` on the state.
    """
    kinds = _kinds(facts.holds)
    kind, row, at = facts.kind.astype(np.int64), facts.row.astype(np.int64), facts.at.astype(np.int64)
    weather = facts.of(WeatherObserved)
    depots = hash_strings(weather["depot_id"]) if weather.n else np.empty((0, 2), np.uint64)
    scenes = (state[SCENES].slots(keys[4]), state[SCENES].slots(ended[4]), state[SCENES].slots(depots))
    jobs = (state[JOBS].slots(keys[5]), state[JOBS].slots(ended[5], create=False))
    open_jobs, m = state[JOBS].rows, len(ended[5])
    found = np.empty(m, np.int64)
    strangers = found[: _strangers(kinds, kind, row, *jobs, open_jobs, found) if m else 0]
    truths, waiting = _waiting(keys[5], ended[5], strangers, state)
    standing, role = np.zeros(len(kind), np.int8), np.zeros(len(kind), np.int8)
    met, met_by = np.zeros(int((truths[0] >= 0).sum()), TRUTHS.dtype), np.zeros(len(truths[0]), np.int64)
    counts = np.zeros(_SUPERSEDED + 1, np.int64)
    lessons = np.stack(ended[:4], axis=1) if len(waiting) else np.zeros((0, 4, 2), np.uint64)
    rows = state[TRUTHS].rows
    done = _walk(
        kinds, kind, row, at, facts.appended_at.astype(np.int64), *scenes, *jobs, *truths, lessons,
        state[SCENES].rows, open_jobs, rows, rows["keys"], _BLANK, TRUTH_WAITS_MS, standing, role, met, met_by, counts,
    )  # fmt: skip
    if len(waiting):
        state[TRUTHS].drop(waiting[rows["at"][waiting] == 0])
    if counts[AHEAD]:  # a depot that only wrong clocks have told of is none
        for slots in scenes:
            state[SCENES].drop(slots[state[SCENES].rows["newest_at"][slots] == 0])
    counts[_JOINED] = done
    if counts[REORDERED:].any():
        for code, name in _COUNTED.items():
            state.count(name, int(counts[code]))
    return _told(kinds[1], m, (kind, row, at, standing, role), (met[:done], met_by[:done]), scenes, jobs)


@cache
def _kinds(holds: tuple[type[Event], ...]) -> Ints:
    """Return the numbers of acceptance, completion and weather among the classes of a topic."""
    return np.array([holds.index(event) for event in (AssignmentAccepted, DeliveryCompleted, WeatherObserved)])


def _waiting(
    keys: NDArray[np.uint64], ended: NDArray[np.uint64], strangers: Ints, state: State
) -> tuple[tuple[Ints, Ints], Ints]:
    """Return the rows in TRUTHS of acceptances and of completions, -1 where nothing can wait, and all rows that may change."""
    table = state[TRUTHS]
    if len(strangers):
        table.slots(ended[strangers])
    elif not len(table):
        return (np.full(len(keys), -1), np.full(len(ended), -1)), _NONE
    found = table.find(keys), table.find(ended)
    touched = [each[slots >= 0] for each, slots in zip((keys, ended), found, strict=True)]
    return found, np.unique(table.slots(np.concatenate(touched), create=False))


def _told(
    completed: int, m: int, each: tuple[Ints, Ints, Ints, NDArray[np.int8], NDArray[np.int8]], met: tuple[NDArray[Any], Ints],
    scenes: tuple[Ints, Ints, Ints], jobs: tuple[Ints, Ints],
) -> Story:  # fmt: skip
    """Return the story: what is out left out, what was met put behind its acceptance."""
    kind, row, at, standing, role = each
    truths, met_by = met
    place = np.arange(len(kind), dtype=np.int64)
    if role.any():
        place = np.repeat(place, (role != _OUT).astype(np.int64) + (role == _MEETS))
        kind, row, at, standing, role = kind[place], row[place], at[place], standing[place], role[place]
        behind = 1 + np.flatnonzero(place[1:] == place[:-1])
        kind[behind], row[behind], at[behind] = completed, m + np.arange(len(behind)), truths["at"]
        standing[behind] = np.where(truths["late"], LATE, ON_TIME)
        scenes = (scenes[0], np.concatenate([scenes[1], scenes[0][met_by]]), scenes[2])
        jobs = (jobs[0], np.concatenate([jobs[1], jobs[0][met_by]]))
    return Story(kind, row, at, standing, role != _OLDER, place, truths, met_by, scenes, jobs)
