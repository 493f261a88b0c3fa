"""What do we know of a job at the moment it is accepted? One compiled fold over the facts of a depot, in log order.

It is the only definition of these features: stream, training and replay call it. Row i is what was known when job i was
accepted; only deliveries completed before it, in the log, have taught us anything. Event time rules: what is learnt weighs
by its own moment, in whichever order it comes. `order.py` says which facts come too late to teach, and what becomes of a
completion that comes before its acceptance. At ticks, jobs that never completed, truths that never met their job and keys that
were idle for long are forgotten.

What every order of the same facts leaves, but for rounding, if none is too late and each job was accepted once: how much was seen,
the newest moments and the gain that belongs to them, the mean gains (as long as fewer jobs were seen than a mean looks
back on), every weight that fades, the starts, and the weather. Residuals compare with what was expected when the job was read, so
their sums follow the log; so do ties between equal moments.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.dispatch import order
from models.dispatch.gains import NAMES, fold_records
from models.dispatch.order import LATE, Story
from models.dispatch.tables import COMPANIES, COURIERS, DEPOTS, FEATURE_TABLES, JOBS, LANES, ROUTES, SCENES
from models.forgetting import days
from models.tables import State, Table
from schemas.columns import Batch, Columns, hash_more, hash_strings
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted, WeatherObserved

_LEARNING = (COURIERS, ROUTES, COMPANIES, LANES, DEPOTS)
_NONE = np.empty(0)


@dataclass(frozen=True)
class Features:
    """Accepted jobs of a batch. positions: int64 (m,), in the batch. x: float32 (m, len(NAMES)), nan where unknown.

    standing: int8 (m,), ON_TIME to AHEAD. stories: the parts of the batch, as `days` cuts it, in the order in which they count.
    """

    accepted: Columns[AssignmentAccepted]
    positions: NDArray[np.int64]
    x: NDArray[np.float32]
    standing: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    stories: tuple[Story, ...] = ()


def fold(facts: Batch, state: State) -> Features:
    """Fold a batch of facts into the state; return what was known of each accepted job when it was accepted.

    Counts what `order.read` does, and what was forgotten, on the state.
    """
    accepted = facts.of(AssignmentAccepted)
    x, standing = np.empty((accepted.n, len(NAMES)), np.float32), np.empty(accepted.n, np.int8)
    stories = []
    at = 0
    for part in days(facts, state, FEATURE_TABLES):
        m = part.of(AssignmentAccepted).n
        story = _fold_part(part, state, x[at : at + m])
        standing[at : at + m] = story.standing[story.kind == part.number(AssignmentAccepted)]
        stories.append(story)
        at += m
    return Features(accepted, facts.order(AssignmentAccepted), x, standing, tuple(stories))


def _fold_part(facts: Batch, state: State, x: NDArray[np.float32]) -> Story:
    accepted, completed, weather = facts.of(AssignmentAccepted), facts.of(DeliveryCompleted), facts.of(WeatherObserved)
    keys, ended = _keys(accepted), _keys(completed)
    story = order.read(facts, keys, ended, state)
    settled = story.kind == facts.number(DeliveryCompleted)
    of_accepted = np.full((accepted.n, 7), -1, np.int64)
    of_completed = np.full((completed.n + len(story.met), 7), -1, np.int64)
    of_accepted[:, 5], of_accepted[:, 6] = story.scenes[0], story.jobs[0]
    of_completed[:, 5], of_completed[:, 6] = story.scenes[1], story.jobs[1]
    if settled.any():
        # Only those that settle a job make rows: whoever else completed has taught nothing yet.
        rows = story.row[settled]
        for column, spec in enumerate(_LEARNING):
            taught = ended[column]
            if len(story.met):
                met = keys[4][story.met_by] if spec is DEPOTS else story.met["keys"][:, column]
                taught = np.concatenate([taught, met])
            of_completed[rows, column] = state[spec].slots(taught[rows])
    # After the completions: a key that one of them brings later in the batch is met here as a row that has seen nothing.
    for column, (spec, key) in enumerate(zip(_LEARNING, keys, strict=False)):
        of_accepted[:, column] = state[spec].find(key)
    fold_records(
        np.array([facts.number(event) for event in (AssignmentAccepted, DeliveryCompleted, WeatherObserved)]),
        story.kind, story.row, story.at, story.standing < LATE, story.opens,
        _matrix([accepted[name] for name in NAMES[:3] + NAMES[4:5]], accepted.n),
        accepted["promised_at"].astype(np.int64), accepted["utc_offset_s"].astype(np.int64), of_accepted, of_completed,
        _matrix([weather[name].filled() for name in NAMES[7:13]] if weather.n else [_NONE] * 6, weather.n), story.scenes[2],
        state[COURIERS].rows, state[ROUTES].rows, state[COMPANIES].rows, state[LANES].rows, state[DEPOTS].rows,
        state[SCENES].rows, state[JOBS].rows, x,
    )  # fmt: skip
    if (settled & (story.standing >= LATE)).any():  # only those that taught nothing may have made rows that hold nothing
        for spec, slots in zip(_LEARNING, of_completed.T, strict=False):
            _drop_empty(state[spec], "seen", slots[slots >= 0])
    _drop_empty(state[JOBS], "at", story.jobs[0])
    _drop_empty(state[JOBS], "at", story.jobs[1][story.jobs[1] >= 0])
    return story


def _matrix(columns: list[NDArray[Any]], n: int) -> NDArray[np.float64]:
    """Return columns of n numbers side by side."""
    made = np.empty((n, len(columns)), np.float64)
    for place, column in enumerate(columns):
        made[:, place] = column
    return made


def _keys(jobs: Columns[Any]) -> list[NDArray[np.uint64]]:
    """Return the keys of courier, route, company, lane, depot and job of each event; all begin with the depot."""
    depots = hash_strings(jobs["depot_id"])
    companies = hash_more(depots, jobs["company_id"])
    return [
        hash_more(depots, jobs["courier_id"]),
        hash_more(depots, jobs["route_id"]),
        companies,
        hash_more(companies, jobs["route_id"]),
        depots,
        hash_more(depots, jobs["assignment_id"]),
    ]


def _drop_empty(table: Table, field: str, slots: NDArray[np.int64]) -> None:
    """Drop the rows that hold nothing."""
    empty = table.rows[field][slots] == 0
    if empty.any():
        table.drop(slots[empty])
