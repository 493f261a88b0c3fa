"""Are the flights' times right? Local clocks, time zones and the change to daylight saving time are all in the data."""

import csv
import gzip
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from infra.errors import Fault
from producers import flights, rows, samples
from producers.flights import Leg
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted, WeatherObserved

FLIGHTS, WEATHER = samples.files("flights")
HEADER = (
    "month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,"
    "air_time,distance,time_hour"
)
LATE_EVENING = "3,9,2340,2330,10,210,145,25,B6,1,N1,JFK,MCO,140,944,2013-03-10T04:00:00Z"


@pytest.fixture(scope="module")
def legs() -> list[tuple[rows.Row, Leg]]:
    """Every tenth row of the sample that departed, with its leg."""
    _, lines = rows.read(FLIGHTS)
    pairs = ((row, flights.flight(row)) for i, row in enumerate(lines) if i % 10 == 0)
    return [(row, leg) for row, leg in pairs if leg is not None]


def written(folder: Path, *lines: str) -> Path:
    """A flights file with these lines."""
    file = folder / "flights.csv"
    file.write_text("\n".join((HEADER, *lines)) + "\n")
    return file


def test_a_leg_departs_and_arrives_when_the_local_clocks_say(legs: list[tuple[rows.Row, Leg]]) -> None:
    """arr_time and dep_time are not used by the adapter: they check it."""
    for row, leg in legs:
        home, there = ZoneInfo("America/New_York"), ZoneInfo(flights.ZONES[leg.destination])
        assert f"{leg.departed.astimezone(home):%H%M}" == f"{int(row.number('dep_time')) % 2400:04d}", leg.id
        if leg.arrived is not None:
            assert f"{leg.arrived.astimezone(there):%H%M}" == f"{int(row.number('arr_time')) % 2400:04d}", leg.id


def test_the_time_on_the_ground_is_plausible_for_every_destination(legs: list[tuple[rows.Row, Leg]]) -> None:
    """A wrong zone would shift it by an hour: elapsed minus air time is 5 minutes to 3 hours, about half an hour as a rule."""
    by_destination: dict[str, list[float]] = {}
    for row, leg in legs:
        if leg.arrived is not None:
            elapsed = (leg.arrived - leg.departed) / timedelta(minutes=1)
            by_destination.setdefault(leg.destination, []).append(elapsed - row.number("air_time"))
    assert len(by_destination) > 90
    for destination, minutes in by_destination.items():
        assert min(minutes) >= 5, destination
        assert max(minutes) <= 180, destination
        if len(minutes) >= 10:
            assert 15 <= sorted(minutes)[len(minutes) // 2] <= 45, destination


def test_a_flight_over_the_night_of_the_clock_change_keeps_its_length(tmp_path: Path) -> None:
    """23:30 to 01:45 in winter time; two nights later 22:30 local is an hour earlier in UTC."""
    summer = "3,11,2340,2330,10,210,145,25,B6,1,N1,JFK,MCO,140,944,2013-03-12T03:00:00Z"
    accepted = [e for e in flights.read([written(tmp_path, LATE_EVENING, summer)]) if isinstance(e, AssignmentAccepted)]
    assert [e.planned_s for e in accepted] == [135 * 60.0, 135 * 60.0]
    assert [e.utc_offset_s for e in accepted] == [-5 * 3600, -4 * 3600]
    assert accepted[0].promised_at == datetime(2013, 3, 10, 6, 45, tzinfo=UTC)
    assert accepted[1].promised_at == datetime(2013, 3, 12, 5, 45, tzinfo=UTC)


def test_a_delay_carries_the_departure_over_midnight(tmp_path: Path) -> None:
    late = LATE_EVENING.replace(",10,210,145,25,", ",120,400,145,135,")
    accepted, completed = flights.read([written(tmp_path, late)])
    assert isinstance(accepted, AssignmentAccepted)
    assert accepted.at == datetime(2013, 3, 10, 6, 30, tzinfo=UTC)
    assert accepted.lateness_s == 7200.0
    assert completed.at - accepted.promised_at == timedelta(minutes=135)


def test_a_cancelled_flight_is_left_out_and_a_diverted_one_never_completes(tmp_path: Path) -> None:
    cancelled = "3,9,,2330,,,145,,B6,2,N1,JFK,MCO,,944,2013-03-10T04:00:00Z"
    diverted = "3,9,2340,2330,10,,145,,B6,3,,JFK,MCO,,944,2013-03-10T04:00:00Z"
    (only,) = flights.read([written(tmp_path, cancelled, diverted)])
    assert isinstance(only, AssignmentAccepted)
    assert only.courier_id == "unknown-B63-JFK-MCO-20130309"


def test_events_come_in_order_with_ids_of_their_own(tmp_path: Path) -> None:
    with gzip.open(FLIGHTS, "rt") as stream:
        lines = [line.rstrip("\n") for line, _ in zip(stream, range(1500), strict=False)][1:]
    events = list(flights.read([written(tmp_path, *lines), WEATHER]))
    assert len({event.event_id for event in events}) == len(events)
    assert all(a.at <= b.at for a, b in pairwise(events))
    assert {type(event) for event in events} == {AssignmentAccepted, DeliveryCompleted, WeatherObserved}


def test_an_impossible_reading_is_null_and_a_missing_one_too() -> None:
    _, lines = rows.read(WEATHER)
    seen = [flights.weather(row) for row in lines]
    assert max(event.wind_mps or 0.0 for event in seen) < 50
    assert sum(event.wind_mps is None for event in seen) >= 1
    freezing = next(event for event in seen if event.temperature_c is not None)
    assert freezing.temperature_c == pytest.approx(3.9, abs=0.01)  # 39.02 °F


def test_every_zone_in_the_table_exists() -> None:
    assert len(flights.ZONES) >= 100
    for name in set(flights.ZONES.values()):
        ZoneInfo(name)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (LATE_EVENING.replace("MCO", "XXX"), "line 2, column dest: expected an airport"),
        (LATE_EVENING.replace(",944,", ",far,"), "line 2, column distance: expected a number, found 'far'"),
        (LATE_EVENING.replace("2013-03-10T04:00:00Z", "soon"), "line 2, column time_hour: expected a time"),
        (LATE_EVENING + ",1", "line 2: expected 16 cells, found 17"),
    ],
)
def test_a_bad_cell_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(Fault, match=says):
        list(flights.read([written(tmp_path, line)]))


def test_a_wrong_file_says_what_was_expected(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(Fault, match="expected columns month"):
        list(flights.read([file]))
    with pytest.raises(Fault, match="expected a readable CSV file"):
        list(flights.read([tmp_path / "absent.csv"]))
    (tmp_path / "cut.csv.gz").write_bytes(FLIGHTS.read_bytes()[:5000])
    with pytest.raises(Fault, match="expected a readable CSV file"):
        list(flights.read([tmp_path / "cut.csv.gz"]))


def test_the_samples_keep_the_published_columns() -> None:
    with gzip.open(FLIGHTS, "rt") as stream:
        assert next(csv.reader(stream)) == HEADER.split(",")
