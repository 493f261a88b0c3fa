"""Does it matter in which order facts are told? Where it must not, where it may, and what is said of those that come too late."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations

import numpy as np
import pytest

from models.dispatch import delay, features, settle
from models.dispatch.order import AHEAD_MS, ALLOWED_LATENESS_MS, LATE
from models.dispatch.tables import COURIERS, DEPOTS, FEATURE_TABLES, JOBS, LANES, OPEN, ROUTES, SCENES, TRUTH_WAITS_MS, TRUTHS
from models.tables import State, TableSpec
from producers.ticks import with_ticks
from schemas.columns import Batch
from schemas.dispatch import AssignmentAccepted, DelayPredicted, DeliveryCompleted, PredictionScored, WeatherObserved
from schemas.event import Event
from tests import deliveries
from tests.builders import USUAL_AT, build
from tests.unit.models.test_settle import run

MINUTE = timedelta(minutes=1)
ALLOWED, WAIT = timedelta(milliseconds=ALLOWED_LATENESS_MS), timedelta(milliseconds=TRUTH_WAITS_MS)
FOLLOW_THE_LOG = {"short_sum_s", "long_sum_s", "line_y", "line_xy"}
"""Sums of residuals: each compares with what was expected when the job was read."""


def accepted(name: str, minutes: float = 0, **given) -> AssignmentAccepted:
    at = USUAL_AT + minutes * MINUTE
    usual = {"promised_at": USUAL_AT + 30 * MINUTE, "planned_s": 1800.0, "source": "flights", "courier_id": f"of-{name}"}
    return build(AssignmentAccepted, event_id=f"{name}/accepted/{minutes}", assignment_id=name, at=at, **usual | given)


def completed(name: str, minutes: float = 40, **given) -> DeliveryCompleted:
    at = USUAL_AT + minutes * MINUTE
    given = {"courier_id": f"of-{name}"} | given
    return build(DeliveryCompleted, event_id=f"{name}/completed/{minutes}", assignment_id=name, at=at, **given)


def weather(minutes: float, wind_mps: float = 5.0) -> WeatherObserved:
    return build(WeatherObserved, event_id=f"weather/{minutes}", at=USUAL_AT + minutes * MINUTE, wind_mps=wind_mps)


A, B = accepted("a"), accepted("b", 7, lateness_s=120.0, planned_s=2400.0)
HISTORY = (A, B, completed("a", 31), completed("b", 44), weather(12), weather(3, wind_mps=9.0))
ORDERS = list(permutations(HISTORY))


def told(*parts: Sequence[Event] | Batch) -> tuple[list[DelayPredicted], list[PredictionScored], State]:
    """What is said of these facts, batch after batch, and what is known after them."""
    state = deliveries.state(deliveries.small())
    batches = [part if isinstance(part, Batch) else deliveries.batch(part) for part in parts]
    return *run(batches, state), state


def appended(facts: Sequence[Event], at_ms: Sequence[int]) -> Batch:
    """The facts as a broker took them at these moments."""
    made = deliveries.batch(facts)
    made.records.appended_at[:] = at_ms
    return made


def learnt(state: State, spec: TableSpec) -> dict[str, np.ndarray]:
    rows = state[spec].image().rows
    return {name: rows[name] for name in rows.dtype.names or () if name not in FOLLOW_THE_LOG}


@pytest.fixture(scope="module")
def ends() -> list[tuple[tuple[Event, ...], list[DelayPredicted], list[PredictionScored], State]]:
    """Every order of the history, and what came of it."""
    return [(order, *told(order)) for order in ORDERS]


def test_every_order_teaches_the_same(ends) -> None:
    _, _, _, first = ends[0]
    assert {"seen", "short_weight", "starts_30min", "weather_at", "line_xx"} <= set(learnt(first, SCENES)) | set(
        learnt(first, DEPOTS)
    )
    for order, _, _, state in ends:
        for spec in (COURIERS, ROUTES, LANES, DEPOTS, SCENES):
            for name, column in learnt(first, spec).items():
                np.testing.assert_allclose(learnt(state, spec)[name], column, rtol=1e-12, atol=1e-12, err_msg=f"{name} {order}")


def test_every_order_scores_each_truth_once_and_leaves_nothing_open(ends) -> None:
    for order, predicted, scored, state in ends:
        assert sorted(said.assignment_id for said in predicted) == ["a", "b"], order
        assert {(score.assignment_id, score.at, score.actual_s, score.label_lag_s) for score in scored} == {
            ("a", HISTORY[2].at, 60.0, 1860.0),
            ("b", HISTORY[3].at, 840.0, 37 * 60.0),
        }, order
        assert len(scored) == 2, order
        by_id = {said.event_id: said for said in predicted}
        for score in scored:
            assert score.delay_s == by_id[score.prediction_id].delay_s
        assert [len(state[spec]) for spec in (JOBS, OPEN, TRUTHS)] == [0, 0, 0], order


def test_residuals_too_are_the_same_in_every_order_that_expects_the_same(ends) -> None:
    """As long as nothing was completed before the second acceptance, both were expected to gain nothing."""
    alike = [state for order, _, _, state in ends if max(map(order.index, HISTORY[:2])) < min(map(order.index, HISTORY[2:4]))]
    assert len(alike) == 6 * 5 * 4 * 3 * 2 // 6
    for state in alike:
        for spec in (ROUTES, LANES, DEPOTS, SCENES):
            for name in FOLLOW_THE_LOG & set(spec.dtype.names or ()):
                np.testing.assert_allclose(state[spec].image().rows[name], alike[0][spec].image().rows[name], rtol=1e-12)


@pytest.mark.parametrize("order", ORDERS[::7])
def test_the_order_counts_and_not_how_it_is_cut(order: tuple[Event, ...]) -> None:
    whole, one_by_one = told(order), told(*[[fact] for fact in order])
    assert repr(whole[:2]) == repr(one_by_one[:2])
    assert deliveries.images(whole[2]) == deliveries.images(one_by_one[2])
    assert whole[2].take_counts() == one_by_one[2].take_counts()


def test_a_fact_within_the_allowed_lateness_counts_in_full_and_says_nothing() -> None:
    newest = weather(60)
    (said,), _, state = told([newest, accepted("a")])
    assert said.reason == ""
    assert state[SCENES].image().rows["starts_at"].tolist() == [int(USUAL_AT.timestamp() * 1000)]
    assert state.take_counts()["reordered"] == 1


def test_a_job_told_too_late_is_answered_and_marked_and_is_no_start() -> None:
    newest = weather(60.01)
    (said,), (score,), state = told([newest, accepted("a"), completed("a", 61)])
    assert said.delay_s is not None
    assert said.reason == "told late: more than 3600 s behind its depot's newest fact"
    assert score.assignment_id == "a"
    assert state[SCENES].image().rows["starts_at"].tolist() == [0]
    assert state[LANES].image().rows["seen"].tolist() == [1]
    assert state.take_counts()["late"] == 1


def test_a_mark_stands_behind_another_reason() -> None:
    (said,), _, _ = told([weather(61), accepted("a", source="strangers")])
    assert said.reason == (
        "no model is in force for dispatch.delay/strangers; told late: more than 3600 s behind its depot's newest fact"
    )


def test_a_truth_told_too_late_is_scored_and_teaches_nothing() -> None:
    for story in ([accepted("a"), weather(101), completed("a")], [weather(101), completed("a"), accepted("a", 40)]):
        _, (score,), state = told(story)
        assert score.actual_s == 600.0
        assert len(state[LANES]) == len(state[COURIERS]) == 0


def test_weather_told_too_late_changes_nothing() -> None:
    _, _, state = told([accepted("a", 61), weather(0)])
    assert state[SCENES].image().rows["weather_at"].tolist() == [0]
    assert state.take_counts()["late"] == 1


@pytest.mark.parametrize(("minutes", "scores"), [(0, 1), (1, 0)])
def test_a_truth_waits_for_a_day_of_its_depot(minutes: int, scores: int) -> None:
    truth = completed("a", 40)
    later = build(WeatherObserved, at=truth.at + WAIT + minutes * MINUTE)
    said, scored, state = told([truth], [later], [accepted("a")])
    assert len(said) == 1
    assert len(scored) == scores
    counts = state.take_counts()
    assert (counts["unmatched"], counts.get("truth_came_first", 0), counts.get("truth_expired", 0)) == (1, scores, 1 - scores)
    assert len(state[JOBS]) == len(state[OPEN]) == 1 - scores


def test_a_truth_that_never_met_its_job_is_forgotten_at_midnight() -> None:
    last = (USUAL_AT + timedelta(days=3)).replace(hour=0, minute=30)
    story = list(with_ticks([completed("a"), build(WeatherObserved, at=last)]))
    _, _, state = told(story[:1])
    assert len(state[TRUTHS]) == 1
    _, _, state = told(story)
    assert len(state[TRUTHS]) == 0
    assert state.take_counts()["forgotten_truths"] == 1


def test_a_truth_that_came_first_teaches_those_it_names() -> None:
    _, _, state = told([completed("a", courier_id="who-carried-it")], [accepted("a", courier_id="who-took-it")])
    assert len(state[COURIERS]) == 1
    _, _, other = told([accepted("a", courier_id="who-took-it")], [completed("a", courier_id="who-carried-it")])
    assert deliveries.images(state) == deliveries.images(other)


def test_a_truth_older_than_the_acceptance_belongs_to_an_earlier_life_of_the_job() -> None:
    _, (score,), state = told([completed("a", 5)], [accepted("a", 10)], [completed("a", 40)])
    assert score.actual_s == 600.0
    assert state.take_counts()["truth_expired"] == 1


def test_of_two_truths_the_first_that_was_told_counts() -> None:
    for story in (
        [accepted("a"), completed("a", 40), completed("a", 45)],
        [completed("a", 40), completed("a", 45), accepted("a")],
        [completed("a", 40), accepted("a"), completed("a", 45)],
    ):
        _, (score,), state = told(story)
        assert score.actual_s == 600.0
        assert state[LANES].image().rows["seen"].tolist() == [1]


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_of_two_acceptances_the_newer_is_in_force_in_whichever_order(order: tuple[int, ...]) -> None:
    both = [accepted("a", 0), accepted("a", 10, lateness_s=300.0)]
    said, (score,), state = told([*(both[i] for i in order), completed("a")])
    newer = next(each for each in said if each.at == both[1].at)
    assert score.prediction_id == newer.event_id
    assert state[LANES].image().rows["last_s"].tolist() == [300.0]
    assert state[SCENES].image().rows["starts_at"].tolist() == [int(both[1].at.timestamp() * 1000)]
    assert state.take_counts().get("superseded", 0) == (1 if order == (1, 0) else 0)


def ms(event: Event) -> int:
    return int(event.at.timestamp() * 1000)


def test_a_clock_two_days_ahead_is_marked_and_moves_nothing() -> None:
    ahead = accepted("x", 48 * 60, promised_at=USUAL_AT + 49 * 60 * MINUTE)
    honest = [accepted("a", 2), completed("a", 40)]
    took = [ms(weather(1)), ms(weather(2)), ms(honest[0]), ms(honest[1])]
    said, scored, state = told(appended([weather(1), ahead, *honest], took))
    assert [each.reason for each in said] == ["clock ahead: more than 3600 s after the broker took it", ""]
    assert said[0].delay_s is not None
    assert len(scored) == 1
    scene = state[SCENES].image().rows
    assert scene["newest_at"].tolist() == [ms(honest[1])]
    assert scene["starts_at"].tolist() == [ms(honest[0])]
    assert state[LANES].image().rows["seen"].tolist() == [1]
    assert state[JOBS].image().rows["at"].tolist() == [ms(weather(1))]
    assert state[OPEN].image().rows["predicted_at"].tolist() == [ms(weather(1))]
    assert state.take_counts() == {"ahead": 1}


def test_a_truth_by_a_clock_ahead_closes_its_prediction_without_a_score() -> None:
    truth = completed("a", 48 * 60)
    _, scored, state = told(appended([accepted("a"), truth], [ms(A), ms(completed("a"))]))
    assert scored == []
    assert [len(state[spec]) for spec in (JOBS, OPEN, LANES)] == [0, 0, 0]
    counts = state.take_counts()
    assert (counts["ahead"], counts["truth_ahead"]) == (1, 1)


def test_a_depot_that_only_wrong_clocks_told_of_leaves_no_row_behind() -> None:
    state = State(FEATURE_TABLES)
    features.fold(appended([weather(60 * 48), completed("a", 60 * 48)], [ms(A), ms(A)]), state)
    assert not any(len(table) for table in state.tables.values())
    assert state.take_counts() == {"ahead": 2, "unmatched": 1}


def test_no_clock_that_is_let_pass_makes_an_honest_fact_late() -> None:
    assert AHEAD_MS <= ALLOWED_LATENESS_MS
    fast = build(WeatherObserved, at=USUAL_AT + timedelta(milliseconds=AHEAD_MS))
    state = deliveries.state(deliveries.small())
    known = features.fold(appended([fast, accepted("a")], [ms(A), ms(A)]), state)
    assert (known.standing < LATE).all()


def test_a_batch_with_reordered_facts_that_failed_leaves_no_trace() -> None:
    state = deliveries.state(deliveries.small())
    run([deliveries.batch([completed("a")])], state)
    before = deliveries.images(state)
    rest = deliveries.batch([accepted("b"), accepted("a"), completed("c"), completed("b")])
    known = features.fold(rest, state)
    settle.fold(rest, known, delay.predict(known, state), state)
    state.restore()
    assert deliveries.images(state) == before
