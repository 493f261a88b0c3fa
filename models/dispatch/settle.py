"""How right were we? Predictions stay open until their delivery completes; then prediction and truth leave together.

One compiled fold over acceptances and completions in the order in which they count (`order.py`): a truth that came before
its acceptance is scored when that comes, and the acceptance is the cause; the time is that of the truth either way. Every truth
is scored at most once. Accepted again, a job's newer prediction takes the older one's place; a job that we abstained from has
nothing to settle. A late truth is as good as any; one whose clock is ahead tells nothing: it closes its prediction without a
score and is counted. At the first tick of a day, predictions open for two weeks are forgotten.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.dispatch.delay import Delays
from models.dispatch.features import Features
from models.dispatch.gains import NAMES
from models.dispatch.order import AHEAD, Story
from models.dispatch.tables import OPEN, SETTLE_TABLES, WORDS
from models.forgetting import days
from models.tables import State
from schemas.columns import Batch, Columns, Ragged, Strings, derive_ids, hash_strings
from schemas.dispatch import AssignmentAccepted, DelayPredicted, DeliveryCompleted

_WORD = 256


@dataclass(frozen=True)
class Scored:
    """Predictions that met their truth. fields: those of PredictionScored.

    positions: int64 (m,), of the completions, or of the acceptances that came after them.
    """

    positions: NDArray[np.int64]
    fields: dict[str, Any]


@compiled
def _settle(
    kinds: Any, kind: Any, row: Any, standing: Any, in_force: Any, opens: Any, answered: Any, fresh: Any, closes: Any, rows: Any,
    blank: Any, out: Any, settled: Any,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Fold records into the open predictions. Returns how many were settled, unmatched, replaced, closed by a wrong clock.

    opens, closes: row number of each acceptance and completion, -1 where absent. in_force: False for an acceptance that is older
    than another of its job. fresh: what each acceptance would open, if answered. out: the settled predictions as they were;
    settled: which of the records settled them.
    """
    done, unmatched, replaced, ahead = 0, 0, 0, 0
    for i in range(kind.shape[0]):
        r = row[i]
        if kind[i] == kinds[0] and in_force[i]:
            replaced += rows[opens[r]].predicted_at > 0
            if answered[r]:
                rows[opens[r]] = fresh[r]
            else:
                rows[opens[r]] = blank[0]
        elif kind[i] == kinds[1]:
            if closes[r] < 0 or rows[closes[r]].predicted_at == 0:
                unmatched += 1
                continue
            if standing[i] == AHEAD:
                ahead += 1
            else:
                out[done] = rows[closes[r]]
                settled[done] = i
                done += 1
            rows[closes[r]] = blank[0]
    return done, unmatched, replaced, ahead


def fold(facts: Batch, known: Features, delays: Delays, state: State) -> Scored:
    """Open a prediction for each accepted job that got an answer; return those whose delivery completed.

    Counts `truth_without_prediction`, `truth_ahead`, `prediction_replaced` and what was forgotten on the state.
    """
    fresh, answered = _fresh(facts, known, delays), np.isfinite(delays.delay_s)
    began = at = 0
    positions, rows, fields = [], [], []
    for part, story in zip(days(facts, state, SETTLE_TABLES), known.stories, strict=True):
        mine = slice(at, at + part.of(AssignmentAccepted).n)
        _remember(state, known.accepted["source"].take(mine), delays.model.take(mine), fresh[mine])
        found, which = _settle_part(part, story, fresh[mine], answered[mine], state)
        truths = _truths(part, story, which)
        positions.append(story.place[which] + began)
        rows.append(found)
        fields.append(truths | {name: _words(found[name], state) for name in ("source", "model")})
        began, at = began + part.n, mine.stop
    return Scored(np.concatenate([np.empty(0, np.int64), *positions]), _fields(rows, fields))


def _fresh(facts: Batch, known: Features, delays: Delays) -> NDArray[Any]:
    """Return what each acceptance would open."""
    jobs = known.accepted
    fresh = np.empty(jobs.n, OPEN.dtype)  # every field is filled below
    for name in ("delay_s", "low_s", "high_s", "baseline_s"):
        fresh[name] = getattr(delays, name)
    accepted = facts.number(AssignmentAccepted)
    # When it counted: a prediction with a clock ahead must not stay open until that clock's time.
    fresh["predicted_at"] = np.concatenate([np.empty(0, np.int64), *(each.at[each.kind == accepted] for each in known.stories)])
    fresh["promised_at"] = jobs["promised_at"]
    ids = derive_ids(DelayPredicted.__name__, facts.event_ids.take(known.positions)).pack()
    fresh["prediction_id"] = ids.data.view("S32")
    fresh["source"] = hash_strings(jobs["depot_id"], jobs["source"])
    fresh["model"] = hash_strings(jobs["depot_id"], delays.model)
    fresh["features"][:, : len(NAMES)], fresh["features"][:, len(NAMES) :] = known.x, 0.0
    return fresh


def _remember(state: State, source: Strings, model: Strings, fresh: NDArray[Any]) -> None:
    """Keep the texts of sources and models, and when they were last used."""
    if not len(fresh):
        return
    table = state[WORDS]
    for texts, name in ((source, "source"), (model, "model")):
        slots = table.slots(np.ascontiguousarray(fresh[name]))
        np.maximum.at(table.rows["used_at"], slots, fresh["predicted_at"])
        sizes, words = table.rows["size"], table.rows["text"]
        new = np.flatnonzero((sizes[slots] == 0) & (texts.length > 0))
        for row in new[np.unique(slots[new], return_index=True)[1]].tolist() if len(new) else ():
            word = np.frombuffer((texts.raw(row) or b"")[:_WORD], np.uint8)
            sizes[slots[row]] = len(word)
            words[slots[row], : len(word)] = word


def _settle_part(
    facts: Batch, story: Story, fresh: NDArray[Any], answered: NDArray[np.bool_], state: State
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the predictions that were settled, and which records of the story settled them."""
    accepted, completed = facts.of(AssignmentAccepted), facts.of(DeliveryCompleted)
    table = state[OPEN]
    if not accepted.n and not completed.n:
        return np.empty(0, OPEN.dtype), np.empty(0, np.int64)
    opens = table.slots(_key(accepted))
    closes = np.concatenate([table.slots(_key(completed), create=False), opens[story.met_by]])
    out, settled = np.empty(len(closes), OPEN.dtype), np.empty(len(closes), np.int64)
    done, unmatched, replaced, ahead = _settle(
        np.array([facts.number(AssignmentAccepted), facts.number(DeliveryCompleted)]),
        story.kind, story.row, story.standing, story.opens,
        opens, answered, fresh, closes, table.rows, np.zeros(1, OPEN.dtype), out, settled,
    )  # fmt: skip
    mine = np.concatenate([opens, closes[closes >= 0]])
    empty = table.rows["predicted_at"][mine] == 0
    if empty.any():
        table.drop(mine[empty])
    state.count("truth_without_prediction", unmatched)
    state.count("truth_ahead", ahead)
    state.count("prediction_replaced", replaced)
    return out[:done], settled[:done]


def _truths(facts: Batch, story: Story, which: NDArray[np.int64]) -> dict[str, Any]:
    """Return what is told with the truths at these places of the story. Of one that waited, its acceptance has the words."""
    completed, accepted = facts.of(DeliveryCompleted), facts.of(AssignmentAccepted)
    rows = story.row[which]
    at = np.concatenate([completed["at"], story.met["at"]])[rows]
    names = ("assignment_id", "depot_id", "company_id")
    if not len(story.met):
        return {"at": at} | {name: completed[name].take(rows) for name in names}
    return {"at": at} | {name: Strings.concat([completed[name], accepted[name].take(story.met_by)]).take(rows) for name in names}


def _fields(settled: list[NDArray[Any]], told: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of PredictionScored: what the truths told, the predictions as they were, and what follows from both."""
    names = ("assignment_id", "depot_id", "company_id", "source", "model")
    if len(told) == 1:  # as nearly always: no day began
        found, at, texts = settled[0], told[0]["at"], {name: told[0][name] for name in names}
    else:
        found = np.concatenate([np.empty(0, OPEN.dtype), *settled])
        at = np.concatenate([np.empty(0, np.int64), *(each["at"] for each in told)])
        texts = {name: Strings.concat([each[name] for each in told]) for name in names}
    n, actual = len(found), (at - found["promised_at"]) / 1000.0
    said = {name: np.ascontiguousarray(found[name]) for name in ("delay_s", "low_s", "high_s", "baseline_s")}
    ids = np.ascontiguousarray(found["prediction_id"]).view(np.uint8)
    return {
        **said, **texts, "at": at,
        "prediction_id": Strings(ids, np.arange(n, dtype=np.int64) * 32, np.full(n, 32, np.int32)),
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
    slots = table.find(np.ascontiguousarray(keys))
    sizes = table.rows["size"][slots]
    width = int(sizes.max())
    data = np.ascontiguousarray(table.rows["text"][slots, :width]).reshape(-1)
    return Strings(data, np.arange(len(slots), dtype=np.int64) * width, sizes)


def _key(jobs: Columns[Any]) -> NDArray[np.uint64]:
    return hash_strings(jobs["depot_id"], jobs["assignment_id"])
