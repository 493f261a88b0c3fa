"""Can anything of the future reach a model in training?"""

import dataclasses
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dispatch import training
from models.dispatch.training import Recipe, Rows, TooFewRows
from models.forest import Growth
from schemas.columns import Columns
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted
from tests import deliveries
from tests.builders import build, many

SMALL = Recipe(training.USUAL.rule, Growth(trees=4, depth=3))


@pytest.fixture(scope="module")
def rows() -> Rows:
    return deliveries.rows("flights", 12_000)


def test_truths_are_joined_to_the_job_they_belong_to(rows: Rows) -> None:
    known = rows.known_at > 0
    assert 0.9 < known.mean() < 1.0
    assert np.isnan(rows.delay_s[~known]).all()
    legs = {e.assignment_id: e for e in deliveries.events("flights", 12_000) if isinstance(e, DeliveryCompleted)}
    for name, at in zip(rows.jobs["assignment_id"].tolist()[:500], rows.known_at[:500].tolist(), strict=True):
        assert int(legs[name].at.timestamp() * 1000) == at if name in legs else at == 0


def test_a_truth_told_before_its_job_is_joined_too_but_not_one_of_an_earlier_life() -> None:
    job = build(AssignmentAccepted, assignment_id="a")
    truth, old = (
        build(DeliveryCompleted, event_id=f"{minutes}", assignment_id="a", at=job.at + timedelta(minutes=minutes))
        for minutes in (90, -5)
    )
    for story in ([job, truth], [truth, job], [old, job, truth]):
        found = training.collect([deliveries.batch([each]) for each in story])
        assert found.known_at.tolist() == [int(truth.at.timestamp() * 1000)]
        assert found.delay_s.tolist() == [1800.0]


@given(st.integers(600, 700), st.integers(0, 10**6))
def test_no_part_knows_a_truth_that_came_after_it_ended(n: int, seed: int) -> None:
    lags = np.random.default_rng(seed).integers(1, 100, n)
    at = np.arange(n, dtype=np.int64) * 1000
    jobs: Columns[AssignmentAccepted] = Columns.of(many(AssignmentAccepted, 1)).take(np.zeros(n, np.int64))
    some = Rows(jobs, np.zeros((n, 1), np.float32), at + 1, at + 1 + lags * 1000, np.zeros(n))
    train, calibration, test, left_out = training.split(some)
    assert train.known_at.max() < calibration.at.min()
    assert calibration.known_at.max() < test.at.min()
    assert len(train.at) + len(calibration.at) + len(test.at) + left_out == n
    assert abs(len(test.at) - 0.2 * n) <= 1


def test_what_a_model_learns_does_not_depend_on_later_rows(rows: Rows) -> None:
    later = slice(int(len(rows.at) * 0.85), None)
    delay, x = rows.delay_s.copy(), rows.x.copy()
    delay[later], x[later] = 1e4, 0.0
    changed = dataclasses.replace(rows, delay_s=np.where(rows.known_at > 0, delay, np.nan), x=x)
    first, second = (training.fit(each, "flights", SMALL) for each in (rows, changed))
    assert first.files["model.onnx"] == second.files["model.onnx"]
    assert first.files["baseline.json"] == second.files["baseline.json"]
    assert first.facts["calibration"] == second.facts["calibration"]
    assert first.facts["metrics"] != second.facts["metrics"]


def test_the_card_and_the_manifest_say_the_same(rows: Rows) -> None:
    found = training.fit(rows, "flights", SMALL)
    card = found.files["MODEL_CARD.md"].decode()
    mae = found.facts["metrics"]["mae_min"]
    assert f"| mean absolute error, min | {mae.model:g} | {mae.baseline:g} |" in card
    assert f"| test | {found.facts['split'].test.rows:,} |" in card


def test_too_little_history_is_refused_with_its_size() -> None:
    with pytest.raises(TooFewRows, match="at least 500 jobs with a completed delivery, found "):
        training.fit(deliveries.rows("flights", 300), "flights")
    with pytest.raises(TooFewRows, match="found none"):
        training.collect([])
