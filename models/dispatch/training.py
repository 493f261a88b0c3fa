"""How is the delay model made? From the same folded features that the stream sees, split by time, judged beside its
simple rule.

The model part answers the gain; lateness at the start is known and is added. Rows are parted in the order of the log into
train, calibration and test; a row whose truth came only after its part had ended is left out, for at that moment nobody
knew it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import conformal
from models.bundle import BASELINE, CARD, MODEL, Calibration, Feature, Metric, Split, Window
from models.dispatch import features, rules
from models.dispatch.card import card
from models.dispatch.delay import model_name
from models.dispatch.gains import LATENESS, NAMES
from models.dispatch.tables import FEATURE_TABLES
from models.forest import Growth, answers, grow, made_with, to_onnx
from models.scoring import scorer
from models.tables import State
from schemas.columns import Batch, Columns
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted

Floats = NDArray[np.float64]
TARGET = "gain_s: lateness at arrival minus lateness at the start, seconds"
FRACTIONS = (0.7, 0.1, 0.2)
COVERAGE = 0.8
LEAST_ROWS = 500
SAMPLE_ROWS = 4_000


class TooFewRows(Exception):
    """There is not enough history to train on; the message says how much there is."""


@dataclass(frozen=True)
class Recipe:
    """How the model of a source is made: its simple rule, its forest, and the features it may look at."""

    rule: type[rules.LaneMedian] | type[rules.HourMean]
    growth: Growth
    used: tuple[str, ...] = NAMES


USUAL = Recipe(rules.LaneMedian, Growth())
RECIPES = {
    "flights": USUAL,
    "restaurant": Recipe(
        rules.HourMean,
        Growth(trees=250, depth=5, leaf_rows=10.0, l2=2.0),
        ("hour_local", "weekday_local", "distance_km", "items"),
    ),
}
"""Recipes by source; a source that is not here has the usual one."""


@dataclass(frozen=True)
class Rows:
    """Accepted jobs in the order of the log. x: float32 (n, features); delay_s: nan without a truth; times in ms, 0
    without one.
    """

    jobs: Columns[AssignmentAccepted]
    x: NDArray[np.float32]
    at: NDArray[np.int64]
    known_at: NDArray[np.int64]
    delay_s: Floats

    def take(self, rows: NDArray[np.int64]) -> "Rows":
        """Return these rows."""
        return Rows(self.jobs.take(rows), self.x[rows], self.at[rows], self.known_at[rows], self.delay_s[rows])


@dataclass(frozen=True)
class Fitted:
    """A trained model, not yet sealed. files: what goes into the bundle; facts: fields of its manifest.

    sample, answers: rows it did not learn from, and what the trained model itself says of them: for the choice of a backend.
    """

    files: dict[str, bytes]
    facts: dict[str, Any]
    sample: NDArray[np.float32]
    answers: NDArray[np.float32]


def collect(history: Iterable[Batch]) -> Rows:
    """Fold a history, batch by batch, and join each accepted job with its truth, also with one that was told before it."""
    state = State(FEATURE_TABLES)
    jobs, x, known_at = [], [], []
    open_jobs: dict[tuple[str, str], tuple[int, int]] = {}
    waiting: dict[tuple[str, str], int] = {}
    for number, batch in enumerate(history):
        known = features.fold(batch, state)
        state.keep()
        for table in state.tables.values():
            table.forget_changes()
        jobs.append(known.accepted)
        x.append(known.x)
        known_at.append(np.zeros(known.accepted.n, np.int64))
        for kind, row, at, key in _in_order(batch):
            if kind and waiting.get(key, -1) >= at:
                known_at[number][row] = waiting.pop(key)
            elif kind:
                open_jobs[key] = (number, row)
            elif key in open_jobs:
                part, place = open_jobs.pop(key)
                known_at[part][place] = at
            else:
                waiting.setdefault(key, at)
    if not jobs:
        raise TooFewRows("expected a history of events, found none")
    accepted, truths = Columns.concat(jobs), np.concatenate(known_at)
    delay = np.where(truths > 0, (truths - accepted["promised_at"]) / 1000.0, np.nan)
    return Rows(accepted, np.concatenate(x), accepted["at"], truths, delay)


def _in_order(batch: Batch) -> Iterable[tuple[bool, int, int, tuple[str, str]]]:
    """Yield (accepted or completed, row, ms, job) of each acceptance and completion, in the order of the log."""
    found: list[tuple[int, bool, int, int, tuple[str, str]]] = []
    for event in (AssignmentAccepted, DeliveryCompleted):
        columns = batch.of(event)
        keys = zip(columns["depot_id"].tolist(), columns["assignment_id"].tolist(), strict=True)
        places, moments = batch.order(event).tolist(), columns["at"].tolist()
        for row, (place, at, key) in enumerate(zip(places, moments, keys, strict=True)):
            found.append((place, event is AssignmentAccepted, row, at, key))
    found.sort()
    return (each[1:] for each in found)


def split(rows: Rows, fractions: tuple[float, float, float] = FRACTIONS) -> tuple[Rows, Rows, Rows, int]:
    """Return train, calibration and test rows, and how many were left out. Raises TooFewRows."""
    labelled = rows.take(np.flatnonzero(rows.known_at > 0))
    n = len(labelled.at)
    if n < LEAST_ROWS:
        raise TooFewRows(f"expected at least {LEAST_ROWS} jobs with a completed delivery, found {n}")
    first, second = int(n * fractions[0]), int(n * (fractions[0] + fractions[1]))
    train, calibration = np.arange(first), np.arange(first, second)
    train = train[labelled.known_at[:first] < labelled.at[first]]
    calibration = calibration[labelled.known_at[first:second] < labelled.at[second]]
    left_out = second - len(train) - len(calibration)
    return labelled.take(train), labelled.take(calibration), labelled.take(np.arange(second, n)), left_out


def fit(rows: Rows, source: str, recipe: Recipe | None = None) -> Fitted:
    """Return the model of a source, measured on its last rows beside its rule. Raises TooFewRows.

    The same rows give the same bytes: one thread, a fixed seed.
    """
    recipe = recipe or RECIPES.get(source, USUAL)
    train, calibration, test, left_out = split(rows)
    rule = recipe.rule.fit(train.jobs, train.x, train.delay_s)
    used = [NAMES.index(name) for name in recipe.used]
    forest = grow(np.ascontiguousarray(train.x[:, used]), train.delay_s - train.x[:, LATENESS], recipe.growth)
    model = to_onnx(forest, used, len(NAMES))
    score = scorer("onnxruntime", {MODEL: model})

    def model_errors(some: Rows) -> Floats:
        return some.delay_s - (some.x[:, LATENESS] + np.asarray(score(some.x), np.float64))

    def rule_errors(some: Rows) -> Floats:
        return some.delay_s - rule.predict(some.jobs, some.x)

    low, high = conformal.interval(model_errors(calibration), COVERAGE)
    rule_low, rule_high = conformal.interval(rule_errors(calibration), COVERAGE)
    ours, theirs = model_errors(test), rule_errors(test)
    facts: dict[str, Any] = {
        "name": model_name(source), "source": source, "target": TARGET,
        "features": tuple(Feature(name=name, used=name in recipe.used) for name in NAMES),
        "split": Split(
            fractions=FRACTIONS, train=_window(train), calibration=_window(calibration), test=_window(test), left_out=left_out,
            label_lag_median_s=float(np.median(train.known_at - train.at)) / 1000.0,
        ),
        "metrics": _metrics(test.delay_s, ours, theirs, (low, high), (rule_low, rule_high)),
        "calibration": Calibration(
            coverage=COVERAGE, low_s=low, high_s=high, baseline_low_s=rule_low, baseline_high_s=rule_high
        ),
        "growth": recipe.growth.as_dict(), "made_with": made_with(),
    }  # fmt: skip
    files = {MODEL: model, BASELINE: rule.to_json(), CARD: card(facts, rule.kind).encode()}
    sample = calibration.x[:SAMPLE_ROWS]
    return Fitted(files, facts, sample, answers(forest, np.ascontiguousarray(sample[:, used])))


def _window(rows: Rows) -> Window:
    first, last = (datetime.fromtimestamp(int(ms) / 1000, UTC) for ms in (rows.at.min(), rows.at.max()))
    return Window(rows=len(rows.at), first_at=first, last_at=last)


def _metrics(
    truth: Floats, ours: Floats, theirs: Floats, model: tuple[float, float], rule: tuple[float, float]
) -> dict[str, Metric]:
    """Return the figures on the test rows. ours, theirs: truth minus prediction; model, rule: interval ends."""
    spread = float(((truth - truth.mean()) ** 2).sum()) or 1.0

    def both(figure: Any) -> Metric:
        return Metric(model=round(float(figure(ours, model)), 4), baseline=round(float(figure(theirs, rule)), 4))

    return {
        "mae_min": both(lambda errors, _: np.abs(errors).mean() / 60.0),
        "rmse_min": both(lambda errors, _: np.sqrt((errors**2).mean()) / 60.0),
        "r2": both(lambda errors, _: 1.0 - (errors**2).sum() / spread),
        "coverage": both(lambda errors, ends: conformal.coverage(errors, *ends)),
        "interval_min": both(lambda _, ends: (ends[1] - ends[0]) / 60.0),
    }
