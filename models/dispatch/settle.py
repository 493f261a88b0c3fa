"""How right were we? Predictions stay open until their delivery completes; then prediction and truth leave together.

One compiled fold over acceptances and completions in log order. Accepted again, a job's newer prediction takes the older
one's place; a completion without an open prediction, a second one included, is counted and passed over; a job that we
abstained from has nothing to settle. At the first tick of a day, predictions open for OPEN_LIMIT_MS are forgotten.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.dispatch.delay import Delays
from models.dispatch.features import Features
from models.dispatch.forgetting import days, forget
from models.dispatch.gains import DAY_MS, NAMES
from models.dispatch.tables import OPEN, WORDS
from models.tables import State
from schemas.columns import Batch, Columns, Ragged, Strings, derive_ids, hash_strings
from schemas.dispatch import AssignmentAccepted, DelayPredicted, DeliveryCompleted

OPEN_LIMIT_MS = 14 * DAY_MS
_WORD_LIMIT_MS = 2 * OPEN_LIMIT_MS
_WORD = 256


@dataclass(frozen=True)
class Scored:
    """Predictions that met their truth. positions: int64 (m,), of the completions; fields: those of PredictionScored."""

    positions: NDArray[np.int64]
    fields: dict[str, Any]


@compiled
def _settle(
    kinds: Any, kind: Any, row: Any, opens: Any, answered: Any, fresh: Any, closes: Any, rows: Any, blank: Any, out: Any,
    settled: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Fold records in log order into the open predictions. Returns how many were settled, unmatched, replaced.

    opens, closes: row number of each acceptance and completion, -1 where absent. fresh: what each acceptance would open,
    if answered. out: the settled predictions as they were; settled: the rows of their completions.
    """
    done, unmatched, replaced = 0, 0, 0
    for i in range(kind.shape[0]):
        r = row[i]
        if kind[i] == kinds[0]:
            replaced += rows[opens[r]].predicted_at > 0
            if answered[r]:
                rows[opens[r]] = fresh[r]
            else:
                rows[opens[r]] = blank[0]
        elif kind[i] == kinds[1]:
            if closes[r] < 0 or rows[closes[r]].predicted_at == 0:
                unmatched += 1
                continue
            out[done] = rows[closes[r]]
            settled[done] = r
            done += 1
            rows[closes[r]] = blank[0]
    return done, unmatched, replaced


def fold(facts: Batch, known: Features, delays: Delays, state: State) -> Scored:
    """Open a prediction for each accepted job that got an answer; return those whose delivery completed.

    Counts `truth_without_prediction`, `prediction_replaced` and what was forgotten on the state.
    """
    fresh, answered = _fresh(facts, known, delays), np.isfinite(delays.delay_s)
    accepted_at = completed_at = 0
    rows, truths, sources, models = [], [], [], []
    for part, tick_ms in days(facts):
        mine = slice(accepted_at, accepted_at + part.of(AssignmentAccepted).n)
        _remember(state, known.accepted["source"].take(mine), delays.model.take(mine), fresh[mine])
        found, which = _settle_part(part, fresh[mine], answered[mine], state)
        rows.append(found)
        truths.append(which + completed_at)
        sources.append(_words(found["source"], state))
        models.append(_words(found["model"], state))
        accepted_at, completed_at = mine.stop, completed_at + part.of(DeliveryCompleted).n
        if tick_ms is not None:
            forget(state, OPEN, "predicted_at", tick_ms - OPEN_LIMIT_MS)
            forget(state, WORDS, "used_at", tick_ms - _WORD_LIMIT_MS)
    which = np.concatenate([np.empty(0, np.int64), *truths])
    found = np.concatenate([np.empty(0, OPEN.dtype), *rows])
    words = {"source": Strings.concat(sources), "model": Strings.concat(models)}
    return Scored(facts.order(DeliveryCompleted)[which], _fields(facts.of(DeliveryCompleted), which, found) | words)


def _fresh(facts: Batch, known: Features, delays: Delays) -> NDArray[Any]:
    """Return what each acceptance would open."""
    jobs = known.accepted
    fresh = np.zeros(jobs.n, OPEN.dtype)
    for name in ("delay_s", "low_s", "high_s", "baseline_s"):
        fresh[name] = getattr(delays, name)
    fresh["predicted_at"], fresh["promised_at"] = jobs["at"], jobs["promised_at"]
    ids = derive_ids(DelayPredicted.__name__, facts.event_ids.take(known.positions)).pack()
    fresh["prediction_id"] = ids.data.view("S32")
    fresh["source"] = hash_strings(jobs["depot_id"], jobs["source"])
    fresh["model"] = hash_strings(jobs["depot_id"], delays.model)
    fresh["features"][:, : len(NAMES)] = known.x
    return fresh


def _remember(state: State, source: Strings, model: Strings, fresh: NDArray[Any]) -> None:
    """Keep the texts of sources and models, and when they were last used."""
    if not len(fresh):
        return
    for texts, name in ((source, "source"), (model, "model")):
        _, first, group = np.unique(fresh[name][:, 0], return_index=True, return_inverse=True)
        table = state[WORDS]
        slots = table.slots(np.ascontiguousarray(fresh[name][first]))
        used = table.rows["used_at"]
        np.maximum.at(used, slots[group], fresh["predicted_at"])
        for slot, text in zip(slots.tolist(), texts.take(first).raws(), strict=True):
            if table.rows["size"][slot] == 0:
                word = np.frombuffer((text or b"")[:_WORD], np.uint8)
                table.rows["size"][slot] = len(word)
                table.rows["text"][slot, : len(word)] = word


def _settle_part(
    facts: Batch, fresh: NDArray[Any], answered: NDArray[np.bool_], state: State
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    accepted, completed = facts.of(AssignmentAccepted), facts.of(DeliveryCompleted)
    table = state[OPEN]
    if not accepted.n and not completed.n:
        return np.empty(0, OPEN.dtype), np.empty(0, np.int64)
    opens = table.slots(_key(accepted))
    closes = table.slots(_key(completed), create=False)
    out, settled = np.zeros(completed.n, OPEN.dtype), np.empty(completed.n, np.int64)
    done, unmatched, replaced = _settle(
        np.array([facts.number(AssignmentAccepted), facts.number(DeliveryCompleted)]),
        facts.kind.astype(np.int64), facts.row.astype(np.int64),
        opens, answered, fresh, closes, table.rows, np.zeros(1, OPEN.dtype), out, settled,
    )  # fmt: skip
    mine = np.concatenate([opens, closes[closes >= 0]])
    empty = table.rows["predicted_at"][mine] == 0
    if empty.any():
        table.drop(mine[empty])
    state.count("truth_without_prediction", unmatched)
    state.count("prediction_replaced", replaced)
    return out[:done], settled[:done]


def _fields(completed: Columns[DeliveryCompleted], rows: NDArray[np.int64], found: NDArray[Any]) -> dict[str, Any]:
    """Return the fields of PredictionScored: the completion's words, the prediction as it was, and what follows from both."""
    n, at = len(rows), completed["at"][rows]
    actual = (at - found["promised_at"]) / 1000.0
    said = {name: np.ascontiguousarray(found[name]) for name in ("delay_s", "low_s", "high_s", "baseline_s")}
    ids = np.ascontiguousarray(found["prediction_id"]).view(np.uint8)
    return {
        **said,
        "prediction_id": Strings(ids, np.arange(n, dtype=np.int64) * 32, np.full(n, 32, np.int32)),
        **{name: completed[name].take(rows) for name in ("assignment_id", "depot_id", "company_id")},
        "predicted_at": np.ascontiguousarray(found["predicted_at"]),
        "actual_s": actual, "error_s": said["delay_s"] - actual,
        "baseline_error_s": said["baseline_s"] - actual, "covered": (said["low_s"] <= actual) & (actual <= said["high_s"]),
        "label_lag_s": (at - found["predicted_at"]) / 1000.0,
        "features": Ragged.of(found["features"][:, : len(NAMES)].astype(np.float64)),
    }  # fmt: skip


def _words(keys: NDArray[np.uint64], state: State) -> Strings:
    """Return the texts behind keys of WORDS."""
    if not len(keys):
        return Strings.of([])
    table = state[WORDS]
    _, first, group = np.unique(keys[:, 0], return_index=True, return_inverse=True)
    slots = table.find(np.ascontiguousarray(keys[first]))
    data = np.ascontiguousarray(table.rows["text"][slots]).reshape(-1)
    return Strings(data, np.arange(len(slots), dtype=np.int64) * _WORD, table.rows["size"][slots]).take(group)


def _key(jobs: Columns[Any]) -> NDArray[np.uint64]:
    return hash_strings(jobs["depot_id"], jobs["assignment_id"])
