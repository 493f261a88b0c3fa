"""Does the drift agent see what River's ADWIN sees, however the log is cut?"""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.drift import ADWIN

from models import drift
from models.drift import DETECTORS, Policy
from models.tables import State
from schemas.columns import Columns
from schemas.dispatch import DriftDetected, PredictionScored
from tests.builders import many
from tests.deliveries import images

POLICY = Policy()


def scored(errors: list[float], **given) -> Columns[PredictionScored]:
    return Columns.of(many(PredictionScored, len(errors), error_s=lambda i: errors[i], **given))


def noisy(mean: float, n: int, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.choice((-1, 1)) * chance.uniform(0.5, 1.5) * mean for _ in range(n)]


def test_it_sees_what_rivers_own_class_sees() -> None:
    errors = noisy(300, 800) + noisy(1500, 800, seed=2) + noisy(200, 800, seed=3)
    found = drift.update(scored(errors), State([DETECTORS]), POLICY)
    detector, rows = ADWIN(delta=POLICY.delta), []
    for i, error in enumerate(errors):
        detector.update(min(abs(error), POLICY.worst_s) / POLICY.worst_s)
        if detector.drift_detected:
            rows.append(i)
    assert found.rows.tolist() == rows
    assert len(rows) >= 2


def test_a_change_says_from_what_to_what_and_how_grave_it_is() -> None:
    found = drift.update(scored(noisy(300, 1000) + noisy(1500, 300)), State([DETECTORS]), POLICY)
    first = next(iter(Columns(DriftDetected, _whole(found)).rows()))
    assert first.before_s == pytest.approx(300, rel=0.1)
    assert first.after_s > 700
    assert (first.kind, first.severity) == ("error", "high")
    assert 1000 < first.labels < 1100
    assert first.detector.startswith("river.drift.ADWIN 0.")


def test_a_calm_model_does_not_drift() -> None:
    assert not len(drift.update(scored(noisy(300, 5000)), State([DETECTORS]), POLICY).rows)


def test_depots_and_sources_are_watched_apart() -> None:
    errors = noisy(300, 1000) + noisy(1500, 300)
    state = State([DETECTORS])
    both = drift.update(scored([e for e in errors for _ in (0, 1)], depot_id=lambda i: "ab"[i % 2]), state, POLICY)
    alone = drift.update(scored(errors), State([DETECTORS]), POLICY)
    assert [row // 2 for row in both.rows.tolist()] == [row for row in alone.rows.tolist() for _ in (0, 1)]
    assert len(state[DETECTORS]) == 2


@settings(max_examples=20)
@given(st.lists(st.integers(0, 900), max_size=6))
def test_changes_and_state_do_not_depend_on_how_the_log_is_cut(places: list[int]) -> None:
    whole = scored(noisy(200, 450) + noisy(1800, 450), depot_id=lambda i: "abc"[i % 3])
    state, other = State([DETECTORS]), State([DETECTORS])
    found = drift.update(whole, state, POLICY)
    edges = [0, *sorted(places), len(whole)]
    rows = []
    for a, b in pairwise(edges):
        rows += [a + row for row in drift.update(whole.take(slice(a, b)), other, POLICY).rows.tolist()]
        other.keep()
    assert rows == found.rows.tolist()
    assert images(state) == images(other)


def _whole(found: drift.Drifts) -> dict:
    n = len(found.rows)
    return {"event_id": ["e"] * n, "cause": ["c"] * n, "at": np.full(n, 1_362_850_200_000), **found.fields}
