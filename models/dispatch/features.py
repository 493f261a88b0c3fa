"""What do we know of a job at the moment it is accepted? One compiled fold over the facts of a depot, in log order.

It is the only definition of these features: stream, training and replay call it. Row i is what was known when job i was
accepted; only deliveries completed before it, in the log, have taught us anything. Event time rules: a state fades with
the time between events, and an event that comes late counts as if it came at its row's newest moment. Facts more than an
hour older than their depot's newest are counted as `late`. At ticks, jobs that never completed and keys that were idle
for long are forgotten.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.dispatch.forgetting import days, forget
from models.dispatch.gains import DAY_MS, NAMES, fold_records
from models.dispatch.tables import COMPANIES, COURIERS, DEPOTS, JOBS, LANES, ROUTES, SCENES
from models.tables import State, Table
from schemas.columns import Batch, Columns, Strings, hash_strings
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted, WeatherObserved

JOB_LIMIT_MS = 14 * DAY_MS
IDLE_LIMIT_MS = 180 * DAY_MS
_LEARNING = (COURIERS, ROUTES, COMPANIES, LANES, DEPOTS)
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Features:
    """Accepted jobs of a batch. positions: int64 (m,), in the batch. x: float32 (m, len(NAMES)), nan where unknown."""

    accepted: Columns[AssignmentAccepted]
    positions: NDArray[np.int64]
    x: NDArray[np.float32]


def fold(facts: Batch, state: State) -> Features:
    """Fold a batch of facts into the state; return what was known of each accepted job when it was accepted.

    Counts `late`, `unmatched` (completions of jobs we do not know as open) and `forgotten` on the state.
    """
    accepted = facts.of(AssignmentAccepted)
    x = np.empty((accepted.n, len(NAMES)), np.float32)
    at = 0
    for part, tick_ms in days(facts):
        m = part.of(AssignmentAccepted).n
        _fold_part(part, state, x[at : at + m])
        at += m
        if tick_ms is not None:
            _forget(state, tick_ms)
    return Features(accepted, facts.order(AssignmentAccepted), x)


def _fold_part(facts: Batch, state: State, x: NDArray[np.float32]) -> None:
    accepted, completed, weather = facts.of(AssignmentAccepted), facts.of(DeliveryCompleted), facts.of(WeatherObserved)
    of_accepted, of_completed = np.full((accepted.n, 7), -1, np.int64), np.full((completed.n, 7), -1, np.int64)
    keys = _keys(accepted) if accepted.n else []
    if accepted.n:
        of_accepted[:, 5], of_accepted[:, 6] = state[SCENES].slots(keys[4]), state[JOBS].slots(keys[5])
    if completed.n:
        ended = _keys(completed)
        of_completed[:, 6] = state[JOBS].slots(ended[5], create=False)
        known = np.flatnonzero(of_completed[:, 6] >= 0)
        of_completed[known, 5] = state[SCENES].slots(ended[4][known])
        for column, spec in enumerate(_LEARNING):
            of_completed[known, column] = state[spec].slots(ended[column][known])
    # After the completions: a key that one of them brings later in the batch is met here as a row that has seen nothing.
    for column, (spec, key) in enumerate(zip(_LEARNING, keys, strict=False)):
        of_accepted[:, column] = state[spec].find(key)
    of_reading = state[SCENES].slots(hash_strings(weather["depot_id"])) if weather.n else _NONE
    late, unmatched = fold_records(
        np.array([facts.number(event) for event in (AssignmentAccepted, DeliveryCompleted, WeatherObserved)]),
        facts.kind.astype(np.int64), facts.row.astype(np.int64), facts.at.astype(np.int64),
        np.stack([np.asarray(accepted[name], np.float64) for name in NAMES[:3] + NAMES[4:5]], axis=1),
        accepted["promised_at"].astype(np.int64), accepted["utc_offset_s"].astype(np.int64), of_accepted, of_completed,
        np.stack([weather[name].filled() for name in NAMES[7:13]], axis=1), of_reading,
        state[COURIERS].rows, state[ROUTES].rows, state[COMPANIES].rows, state[LANES].rows, state[DEPOTS].rows,
        state[SCENES].rows, state[JOBS].rows, x,
    )  # fmt: skip
    for spec, slots in zip(_LEARNING, of_completed.T, strict=False):
        _drop_empty(state[spec], "seen", slots[slots >= 0])
    _drop_empty(state[JOBS], "at", of_accepted[:, 6])
    _drop_empty(state[JOBS], "at", of_completed[of_completed[:, 6] >= 0, 6])
    state.count("late", late)
    state.count("unmatched", unmatched)


def _keys(jobs: Columns[Any]) -> list[NDArray[np.uint64]]:
    """Return the keys of courier, route, company, lane, depot and job of each event; all begin with the depot."""
    depot, company, route = jobs["depot_id"], jobs["company_id"], jobs["route_id"]
    rest: list[tuple[Strings, ...]] = [
        (jobs["courier_id"],),
        (route,),
        (company,),
        (company, route),
        (),
        (jobs["assignment_id"],),
    ]
    return [hash_strings(depot, *others) for others in rest]


def _drop_empty(table: Table, field: str, slots: NDArray[np.int64]) -> None:
    """Drop the rows that hold nothing."""
    empty = table.rows[field][slots] == 0
    if empty.any():
        table.drop(slots[empty])


def _forget(state: State, now: int) -> None:
    """Drop jobs that were open for JOB_LIMIT_MS and keys idle for IDLE_LIMIT_MS."""
    forget(state, JOBS, "at", now - JOB_LIMIT_MS)
    for spec in _LEARNING:
        forget(state, spec, "last_at", now - IDLE_LIMIT_MS)
    forget(state, SCENES, "newest_at", now - IDLE_LIMIT_MS)
