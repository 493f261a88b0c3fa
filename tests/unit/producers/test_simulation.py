"""Does the simulated city keep its own rules, and know its own truth?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.chunk import Chunk
from producers.simulation import HOUR_MS, City, Closure, simulate, weather
from schemas.columns import Columns, encode
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted, WeatherObserved
from schemas.event import Event

SMALL = City(seed=3, depots=3, couriers=4, streets=5, orders=300)


def life(city: City, days: int) -> list[Event]:
    return [event for chunk in simulate(city, days) for event in chunk.rows()]


def delays_s(events: list[Event]) -> dict[str, float]:
    promised = {event.assignment_id: event.promised_at for event in events if isinstance(event, AssignmentAccepted)}
    return {
        event.assignment_id: (event.at - promised[event.assignment_id]).total_seconds()
        for event in events
        if isinstance(event, DeliveryCompleted)
    }


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_every_job_is_accepted_once_and_completed_once_after_it_began(seed: int, days: int) -> None:
    city = City(seed=seed, depots=2, couriers=3, streets=4, orders=50)
    events = life(city, days)
    began = {event.assignment_id: event.at for event in events if isinstance(event, AssignmentAccepted)}
    ended = {event.assignment_id: event.at for event in events if isinstance(event, DeliveryCompleted)}
    assert len(began) == days * city.orders
    assert began.keys() == ended.keys()
    assert all(began[job] < ended[job] for job in began)


def test_events_come_in_event_time_order_over_all_days_with_ids_of_their_own() -> None:
    events = life(SMALL, 4)
    assert all(a.at <= b.at for a, b in pairwise(events))
    assert len({event.event_id for event in events}) == len(events)


def test_a_seed_tells_the_same_story_however_many_days_are_asked_for() -> None:
    short, long = list(simulate(SMALL, 2)), list(simulate(SMALL, 4))
    for a, b in zip(short[:2], long, strict=False):
        assert list(a.rows()) == list(b.rows())
    assert life(SMALL, 2) != life(City(seed=4, depots=3, couriers=4, streets=5, orders=300), 2)


def test_every_event_is_one_that_its_class_allows() -> None:
    for event in life(SMALL, 2):
        type(event).model_validate(event.__dict__, strict=True)
    for chunk in simulate(SMALL, 2):
        for part in chunk.parts:
            encode(part, 1)


@pytest.mark.parametrize(("day", "hours"), [(68, 23), (306, 25), (100, 24)])
def test_the_day_the_clocks_change_has_its_own_length(day: int, hours: int) -> None:
    chunk = list(simulate(SMALL, day + 1))[day]
    readings = next(part for part in chunk.parts if part.event is WeatherObserved)
    assert len(np.unique(readings["at"])) == hours


def test_the_time_of_the_day_follows_the_clocks() -> None:
    events = life(SMALL, 100)
    offsets = {event.utc_offset_s // 3600 for event in events if isinstance(event, AssignmentAccepted)}
    assert offsets == {-5, -4}
    night = [e for e in events if isinstance(e, AssignmentAccepted) and (e.at + timedelta(seconds=e.utc_offset_s)).hour == 3]
    noon = [e for e in events if isinstance(e, AssignmentAccepted) and (e.at + timedelta(seconds=e.utc_offset_s)).hour == 12]
    assert len(noon) > 8 * len(night)


def test_who_knows_the_causes_errs_by_the_floor_and_who_does_not_errs_more() -> None:
    city = City(seed=5, depots=2, couriers=5, streets=5, orders=4_000)
    (chunk, *rest) = simulate(city, 1)
    accepted = next(part for part in chunk.parts if part.event is AssignmentAccepted)
    found = delays_s([event for part in (chunk, *rest) for event in part.rows()])
    delay = np.array([found[job] for job in accepted["assignment_id"]])
    truth = np.array([_expected_s(city, accepted, row) for row in range(accepted.n)])
    assert np.abs(delay - truth).mean() == pytest.approx(city.floor_s, rel=0.05)
    assert np.abs(delay - np.median(delay)).mean() > 1.3 * city.floor_s


def _expected_s(city: City, accepted: Columns[AssignmentAccepted], row: int) -> float:
    from producers.simulation import RAIN_S, RUSH_S

    number = {name: int(accepted[name][row].rpartition("-")[2]) for name in ("depot_id", "courier_id", "route_id")}
    depot = number["depot_id"]
    at, offset = int(accepted["at"][row]), int(accepted["utc_offset_s"][row])
    hour = (at - int(datetime(2019, 1, 1, 5, tzinfo=UTC).timestamp()) * 1000) // HOUR_MS
    return float(
        city.courier_s[depot, number["courier_id"] % city.couriers]
        + city.street_s[depot, number["route_id"] % city.streets]
        + RUSH_S[(at // 1000 + offset) // 3600 % 24]
        + RAIN_S * weather(city, 0).rain_mm[depot, hour]
        + 0.8 * accepted["lateness_s"][row]
    )


def test_a_closure_slows_one_depot_from_its_moment_on_and_nothing_else() -> None:
    since = datetime(2019, 1, 2, 17, tzinfo=UTC)
    calm, closed = life(SMALL, 3), life(replace(SMALL, closure=Closure(1, since, 900.0)), 3)
    before, after = delays_s(calm), delays_s(closed)
    for event in calm:
        if isinstance(event, AssignmentAccepted):
            extra = 900.0 if event.depot_id == "depot-1" and event.at >= since else 0.0
            assert after[event.assignment_id] - before[event.assignment_id] == pytest.approx(extra)


def test_a_chunk_of_the_city_sends_like_any_other() -> None:
    chunk = next(simulate(SMALL))
    again = Chunk.of(list(chunk.rows()))
    assert again.at.tolist() == chunk.at.tolist()
    assert list(again.rows()) == list(chunk.rows())
