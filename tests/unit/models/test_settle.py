"""Does every prediction meet its truth exactly once?"""

from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.dispatch import delay, features, settle
from models.dispatch.tables import OPEN, WORDS
from models.tables import State
from producers.ticks import with_ticks
from schemas.columns import Batch, Columns, derive_ids
from schemas.dispatch import AssignmentAccepted, DelayPredicted, DeliveryCompleted, PredictionScored, WeatherObserved
from schemas.event import Event
from tests import deliveries
from tests.builders import USUAL_AT, build

N = 4_000


def run(parts: list[Batch], state: State) -> tuple[list[DelayPredicted], list[PredictionScored]]:
    """Predict and settle as the agent does; the events it would send."""
    predicted: list[DelayPredicted] = []
    scored: list[PredictionScored] = []
    for part in parts:
        known = features.fold(part, state)
        delays = delay.predict(known, state)
        truths = settle.fold(part, known, delays, state)
        predicted += sent(DelayPredicted, part, known.positions, delays.fields(known))
        scored += sent(PredictionScored, part, truths.positions, truths.fields)
        state.keep()
    return predicted, scored


def sent(event, part: Batch, positions: np.ndarray, fields: dict) -> list:
    cause = part.event_ids.take(positions)
    own = {"event_id": derive_ids(event.__name__, cause), "at": part.at[positions], "cause": cause}
    return [event.model_validate(each.model_dump()) for each in Columns(event, own | fields).rows()]


def accepted(name: str, **given) -> AssignmentAccepted:
    return build(AssignmentAccepted, event_id=f"{name}/accepted", assignment_id=name, source="flights", **given)


def completed(name: str, minutes: int = 90, step: int = 0) -> DeliveryCompleted:
    at = USUAL_AT + timedelta(minutes=minutes)
    return build(DeliveryCompleted, event_id=f"{name}/completed/{step}", assignment_id=name, at=at)


def told(*story: Event) -> tuple[list[DelayPredicted], list[PredictionScored], State]:
    state = deliveries.state(deliveries.small())
    return *run([deliveries.batch(story)], state), state


def test_a_score_joins_the_prediction_as_it_was_with_the_truth() -> None:
    (said,), (score,), state = told(accepted("a"), completed("a"))
    assert said.delay_s is not None
    assert said.low_s is not None
    assert said.high_s is not None
    for name in ("assignment_id", "depot_id", "company_id", "source", "delay_s", "low_s", "high_s", "baseline_s", "model"):
        assert getattr(score, name) == getattr(said, name), name
    np.testing.assert_array_equal(score.features, said.features)
    assert score.prediction_id == said.event_id
    assert score.cause == "a/completed/0"
    assert score.predicted_at == said.at
    assert score.actual_s == 1800.0  # promised after an hour, arrived after an hour and a half
    assert score.label_lag_s == 5400.0
    assert score.error_s == said.delay_s - 1800.0
    assert score.covered == (said.low_s <= 1800.0 <= said.high_s)
    assert len(state[OPEN]) == 0


def test_a_second_truth_and_one_of_nobody_are_counted_and_passed_over() -> None:
    _, scores, state = told(completed("x"), accepted("a"), completed("a"), completed("a", 95, step=1))
    assert [score.assignment_id for score in scores] == ["a"]
    assert state.take_counts()["unmatched"] == 2


def test_a_truth_that_came_first_is_scored_by_the_acceptance_at_its_own_time() -> None:
    (said,), (score,), state = told(completed("a"), accepted("a"))
    assert score.prediction_id == said.event_id
    assert score.cause == "a/accepted"
    assert score.at == USUAL_AT + timedelta(minutes=90)
    assert (score.actual_s, score.label_lag_s) == (1800.0, 5400.0)
    assert (score.company_id, score.source, score.model) == (said.company_id, said.source, said.model)
    assert state.take_counts()["truth_came_first"] == 1
    assert len(state[OPEN]) == 0


def test_a_job_accepted_again_is_scored_by_its_newer_prediction() -> None:
    again = build(AssignmentAccepted, event_id="a/again", assignment_id="a", source="flights", courier_id="other")
    predictions, (score,), state = told(accepted("a"), again, completed("a"))
    assert score.prediction_id == predictions[1].event_id
    assert state.take_counts()["prediction_replaced"] == 1


def test_what_we_abstained_from_has_no_score_and_takes_the_older_prediction_with_it() -> None:
    other = build(AssignmentAccepted, event_id="a/again", assignment_id="a", source="strangers")
    predictions, scores, state = told(accepted("a"), other, completed("a"))
    assert [said.rung for said in predictions] == ["champion", "abstained"]
    assert scores == []
    assert state.take_counts()["truth_without_prediction"] == 1
    assert len(state[OPEN]) == 0


def test_predictions_open_for_two_weeks_are_forgotten_and_the_words_of_others_are_kept() -> None:
    last = (USUAL_AT + timedelta(days=20)).replace(hour=0, minute=30)
    story = [accepted("a"), accepted("b"), completed("b"), build(WeatherObserved, at=last)]
    _, scores, state = told(*with_ticks(story), completed("a", 60 * 24 * 21))
    assert [score.assignment_id for score in scores] == ["b"]
    assert len(state[WORDS]) == 2
    assert state.take_counts()["forgotten_open_predictions"] == 1


@settings(max_examples=4)
@given(st.lists(st.integers(0, N), max_size=8))
def test_predictions_scores_and_state_do_not_depend_on_how_the_log_is_cut(places: list[int]) -> None:
    whole, bundle = deliveries.whole("flights", N), deliveries.small()
    state, other = deliveries.state(bundle), deliveries.state(bundle)
    predicted, scored = run([whole], state)
    again, scored_again = run(deliveries.cut(whole, places), other)
    assert repr(predicted) == repr(again)
    assert repr(scored) == repr(scored_again)
    assert len(scored) > 1_000
    assert deliveries.images(state) == deliveries.images(other)


def test_a_batch_that_failed_leaves_no_trace() -> None:
    whole = deliveries.whole("flights", N)
    state = deliveries.state(deliveries.small())
    run([whole.slice(0, 2_000)], state)
    before = deliveries.images(state)
    rest = whole.slice(2_000, N)
    known = features.fold(rest, state)
    settle.fold(rest, known, delay.predict(known, state), state)
    state.restore()
    assert deliveries.images(state) == before
