"""Does a feature depend on the log alone, and only on its past?"""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.dispatch import features
from models.dispatch.gains import NAMES
from models.dispatch.tables import COURIERS, FEATURE_TABLES, JOBS, LANES, SCENES
from models.tables import State
from producers.ticks import tick, with_ticks
from schemas.columns import Batch
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted, WeatherObserved
from schemas.event import Event
from tests import deliveries
from tests.builders import USUAL_AT, build, events

N = 4_000
MINUTE = timedelta(minutes=1)


def folded(parts: list[Batch]) -> tuple[np.ndarray, State]:
    """The features of all parts, and the state after them."""
    state = State(FEATURE_TABLES)
    x = []
    for part in parts:
        x.append(features.fold(part, state).x)
        state.keep()
    return np.concatenate(x), state


def row(*facts: Event) -> dict[str, float]:
    """What was known of the last accepted job of these facts."""
    x, _ = folded([deliveries.batch(facts)])
    return dict(zip(NAMES, x[-1].tolist(), strict=True))


def accepted(name: str, at: datetime = USUAL_AT, **given) -> AssignmentAccepted:
    usual = {"promised_at": at + timedelta(hours=2), "planned_s": 7200.0, "utc_offset_s": -18_000, "lateness_s": 0.0}
    return build(AssignmentAccepted, event_id=f"{name}/accepted", assignment_id=name, at=at, **usual | given)


def completed(job: AssignmentAccepted, delay_s: float) -> DeliveryCompleted:
    same = {name: getattr(job, name) for name in ("assignment_id", "depot_id", "company_id", "courier_id", "route_id")}
    at = job.promised_at + timedelta(seconds=delay_s)
    return build(DeliveryCompleted, event_id=f"{job.assignment_id}/completed", at=at, **same)


@settings(max_examples=8)
@given(st.lists(st.integers(0, N), max_size=12))
def test_features_and_state_do_not_depend_on_how_the_log_is_cut(places: list[int]) -> None:
    whole = deliveries.whole("flights", N)
    x, state = folded([whole])
    again, other = folded(deliveries.cut(whole, places))
    np.testing.assert_array_equal(x, again)
    assert deliveries.images(state) == deliveries.images(other)


def test_features_do_not_depend_on_which_depots_share_a_partition() -> None:
    some = deliveries.events("flights", N)
    together = deliveries.whole("flights", N)
    x, _ = folded([together])
    depots = np.array(together.of(AssignmentAccepted)["depot_id"].tolist())
    for depot in ("EWR", "JFK", "LGA"):
        alone = deliveries.batch([event for event in some if getattr(event, "depot_id", depot) == depot])
        np.testing.assert_array_equal(folded([alone])[0], x[depots == depot])


@settings(max_examples=10)
@given(st.integers(1, N))
def test_a_feature_does_not_know_the_future(end: int) -> None:
    whole = deliveries.whole("flights", N)
    x, _ = folded([whole])
    past, _ = folded([whole.slice(0, end)])
    np.testing.assert_array_equal(past, x[: len(past)])


def test_a_batch_that_failed_leaves_no_trace() -> None:
    whole = deliveries.whole("flights", N)
    half, rest = whole.slice(0, 2_000), whole.slice(2_000, N)
    state = State(FEATURE_TABLES)
    features.fold(half, state)
    state.keep()
    before = deliveries.images(state)
    first = features.fold(rest, state).x
    state.restore()
    assert deliveries.images(state) == before
    np.testing.assert_array_equal(features.fold(rest, state).x, first)


def test_a_new_depot_knows_the_job_itself_and_nothing_else() -> None:
    known = row(accepted("a", lateness_s=600.0, distance_km=100.0, items=3))
    own = {"lateness_s": 600.0, "planned_s": 7200.0, "distance_km": 100.0, "planned_kmph": 50.0, "items": 3.0}
    assert {name: known[name] for name in own} == own
    zero = ("expected_gain_s", "lane_seen", "courier_seen", "depot_residual_30min_s", "depot_starts_30min")
    assert {known[name] for name in zero} == {0.0}
    unknown = ("wind_mps", "lane_gain_last_s", "route_gain_mean_s", "courier_idle_s", "depot_lateness_30min_s")
    assert all(np.isnan(known[name]) for name in unknown)


@pytest.mark.parametrize(
    ("at", "offset_s", "hour", "weekday"),
    [
        (datetime(2013, 3, 10, 6, 30, tzinfo=UTC), -18_000, 1.5, 6.0),  # half an hour before the clocks of New York change
        (datetime(2013, 3, 10, 7, 0, tzinfo=UTC), -14_400, 3.0, 6.0),  # and at that moment: there is no two o'clock
        (datetime(2013, 3, 11, 3, 59, 59, tzinfo=UTC), -14_400, 23.9997, 6.0),
        (datetime(2013, 1, 1, 22, 15, tzinfo=UTC), 19_800, 3.75, 2.0),
    ],
)
def test_hour_and_weekday_are_those_of_the_depots_clock(at: datetime, offset_s: int, hour: float, weekday: float) -> None:
    known = row(accepted("a", at, utc_offset_s=offset_s))
    assert known["hour_local"] == pytest.approx(hour, abs=1e-3)
    assert known["weekday_local"] == weekday


def test_a_completed_job_teaches_its_courier_route_company_lane_and_depot() -> None:
    first = accepted("a", lateness_s=300.0)
    later = first.promised_at + timedelta(minutes=30)
    known = row(first, completed(first, delay_s=900.0), accepted("b", later))
    for name in ("lane_gain_last_s", "lane_gain_ewma_s", "route_gain_mean_s", "company_gain_ewma_s", "courier_gain_mean_s"):
        assert known[name] == 600.0, name
    assert known["lane_seen"] == known["courier_seen"] == 1.0
    assert known["courier_idle_s"] == 15 * 60.0
    assert 0.0 < known["expected_gain_s"] < 600.0 + 1e-3
    half_hours = np.exp(-0.5)
    assert known["depot_residual_30min_s"] == pytest.approx(600.0 * half_hours / (half_hours + 1.0), rel=1e-6)
    strangers = row(first, completed(first, 900.0), accepted("b", later, courier_id="x", route_id="x", company_id="x"))
    assert np.isnan(strangers["lane_gain_last_s"])
    assert strangers["depot_residual_30min_s"] == known["depot_residual_30min_s"]


def test_one_absurd_record_is_cut_before_it_is_learnt() -> None:
    first = accepted("a")
    known = row(first, completed(first, delay_s=86_400.0 * 3), accepted("b", first.promised_at + timedelta(days=3)))
    assert known["lane_gain_last_s"] == 21_600.0


def test_a_truth_without_its_job_teaches_nothing_and_is_counted() -> None:
    job = accepted("a")
    state = State(FEATURE_TABLES)
    features.fold(deliveries.batch([completed(job, 0.0)]), state)
    assert state.take_counts() == {"unmatched": 1}
    assert {name for name, table in state.tables.items() if len(table)} == {"scenes", "truths"}
    state = State(FEATURE_TABLES)
    features.fold(deliveries.batch([job, completed(job, 0.0), completed(job, 60.0)]), state)
    assert state.take_counts() == {"unmatched": 1}
    assert len(state[JOBS]) == 0
    assert state[LANES].image().rows["seen"].tolist() == [1]


def test_a_job_accepted_again_is_judged_by_its_last_acceptance() -> None:
    first = accepted("a", lateness_s=0.0)
    again = accepted("a", USUAL_AT + MINUTE, lateness_s=120.0, promised_at=first.promised_at)
    known = row(first, again, completed(first, 120.0), accepted("b", first.promised_at + 5 * MINUTE))
    assert known["lane_gain_last_s"] == 0.0
    assert known["lane_seen"] == 1.0


def test_weather_is_what_was_read_within_three_hours() -> None:
    seen = build(WeatherObserved, wind_mps=7.0, gust_mps=None, at=USUAL_AT)
    fresh, stale = (row(seen, accepted("a", USUAL_AT + hours * 60 * MINUTE)) for hours in (3, 4))
    assert fresh["wind_mps"] == 7.0
    assert np.isnan(fresh["gust_mps"])
    assert np.isnan(stale["wind_mps"])
    older = build(WeatherObserved, event_id="w2", wind_mps=1.0, at=USUAL_AT - 60 * MINUTE)
    assert row(seen, older, accepted("a"))["wind_mps"] == 7.0


def test_jobs_open_for_two_weeks_and_couriers_idle_for_half_a_year_are_forgotten_at_midnight() -> None:
    done, lost = accepted("a"), accepted("b")
    for days, jobs, couriers in ((14, 1, 1), (15, 0, 1), (181, 0, 0)):
        state = State(FEATURE_TABLES)
        last = (USUAL_AT + timedelta(days=days)).replace(hour=0, minute=30)
        story = with_ticks([done, lost, completed(done, 0.0), build(WeatherObserved, depot_id="elsewhere", at=last)])
        features.fold(deliveries.batch(list(story)), state)
        assert (len(state[JOBS]), len(state[COURIERS])) == (jobs, couriers), days
        assert len(state[SCENES]) == (1 if days > 180 else 2)


def test_only_the_tick_that_begins_a_day_forgets() -> None:
    state = State(FEATURE_TABLES)
    number = 24 * 20_000 + 5  # five in the morning, in 2024
    features.fold(deliveries.batch([accepted("a"), tick(number)]), state)
    assert len(state[JOBS]) == 1


@settings(max_examples=40)
@given(st.lists(events(AssignmentAccepted) | events(DeliveryCompleted) | events(WeatherObserved), max_size=12))
def test_whatever_is_reported_a_feature_is_a_number_or_unknown(story: list[Event]) -> None:
    x, _ = folded([deliveries.batch(story)]) if story else (np.zeros((0, 1)), None)
    assert not np.isinf(x).any()
