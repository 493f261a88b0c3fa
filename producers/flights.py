"""How do real flights become dispatch events? A leg is an assignment, accepted when it departs; its arrival is the truth.

Reads the `flights` table of nycflights13 and the `weather` table beside it, told apart by their columns. The depot is the
airport of departure, the courier the aircraft, the company the carrier, the route the destination. A cancelled flight was
never accepted and is left out; a diverted one is accepted and never completed. An aircraft without a number gets a
courier of its own for each flight (`unknown-…`): two unknowns are not one courier.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from sys import intern

from producers import rows
from producers.rows import Row
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted, WeatherObserved
from schemas.event import Event

SOURCE = "flights"
YEAR = 2013
ORIGIN_ZONE = "America/New_York"
KM_PER_MILE = 1.609344
MPS_PER_MPH = 0.44704

_AIRPORTS = {
    "America/New_York": (
        "ACK ALB ATL AVL BDL BGR BOS BTV BUF BWI CAE CAK CHA CHO CHS CLE CLT CMH CRW CVG DAY DCA DTW EWR EYW FLL GRR GSO GSP "
        "IAD ILM IND JAX JFK LEX LGA MCO MHT MIA MVY MYR ORF PBI PHL PIT PVD PWM RDU RIC ROC RSW SAV SBN SDF SRQ SYR TPA TVC TYS"
    ),
    "America/Chicago": "AUS BHM BNA DFW DSM HOU IAH MCI MDW MEM MKE MSN MSP MSY OKC OMA ORD SAT STL TUL XNA",
    "America/Denver": "ABQ BZN DEN EGE HDN JAC MTJ SLC",
    "America/Phoenix": "PHX",
    "America/Los_Angeles": "BUR LAS LAX LGB OAK PDX PSP SAN SEA SFO SJC SMF SNA",
    "America/Anchorage": "ANC",
    "America/Puerto_Rico": "BQN PSE SJU",
    "America/St_Thomas": "STT",
    "Pacific/Honolulu": "HNL",
}
ZONES = {airport: name for name, airports in _AIRPORTS.items() for airport in airports.split()}
"""IATA code -> IANA time zone, for the airports that New York's departures of 2013 went to."""

_LEG = (
    "month", "day", "sched_dep_time", "dep_delay", "sched_arr_time", "arr_delay", "carrier", "flight", "tailnum", "origin",
    "dest", "distance", "time_hour",
)  # fmt: skip
_READING = ("origin", "time_hour", "temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")


@dataclass(frozen=True, slots=True)
class Leg:
    """One flight that departed, in our words. arrived is None if it was diverted."""

    id: str
    origin: str
    carrier: str
    aircraft: str
    destination: str
    planned: timedelta
    promised: datetime
    departed: datetime
    arrived: datetime | None
    lateness_s: float
    distance_km: float

    def accepted(self) -> AssignmentAccepted:
        """The departure."""
        offset = self.departed.astimezone(rows.zone(ORIGIN_ZONE)).utcoffset() or timedelta()
        return AssignmentAccepted(
            event_id=f"{self.id}/accepted", at=self.departed, assignment_id=self.id, depot_id=self.origin,
            company_id=self.carrier, courier_id=self.aircraft, route_id=self.destination, source=SOURCE,
            promised_at=self.promised, lateness_s=self.lateness_s, planned_s=self.planned.total_seconds(),
            distance_km=self.distance_km, items=0, utc_offset_s=int(offset.total_seconds()),
        )  # fmt: skip

    def completed(self) -> DeliveryCompleted:
        """The arrival. Call it only where there was one."""
        assert self.arrived is not None  # noqa: S101  # narrows the type; `read` asks first
        return DeliveryCompleted(
            event_id=f"{self.id}/completed", at=self.arrived, assignment_id=self.id, depot_id=self.origin,
            company_id=self.carrier, courier_id=self.aircraft, route_id=self.destination,
        )  # fmt: skip


def read(files: Iterable[Path]) -> Iterator[Event]:
    """Yield the events of flight and weather files in event-time order. Raises Fault that names the file, line and column.

    At the same moment the weather comes first, then arrivals, then departures.
    """
    facts: list[tuple[datetime, int, str, Leg | WeatherObserved]] = []
    for file in files:
        header, lines = rows.read(file)
        if "wind_speed" in header:
            rows.needs(file, header, _READING)
            facts += [(seen.at, 0, seen.event_id, seen) for seen in map(weather, lines)]
        else:
            rows.needs(file, header, _LEG)
            for leg in filter(None, map(flight, lines)):
                facts.append((leg.departed, 2, leg.id, leg))
                if leg.arrived is not None:
                    facts.append((leg.arrived, 1, leg.id, leg))
    facts.sort(key=lambda fact: fact[:3])
    for _, order, _, fact in facts:
        if isinstance(fact, WeatherObserved):
            yield fact
        else:
            yield fact.accepted() if order == 2 else fact.completed()


def flight(row: Row) -> Leg | None:
    """Return a row of the flights table as a leg, or None if it never departed."""
    late, arrival_late = row.number_or_none("dep_delay"), row.number_or_none("arr_delay")
    if late is None:
        return None
    planned_departure = _hour(row).replace(minute=int(row.number("sched_dep_time")) % 100)
    destination = intern(row.text("dest"))
    promised = _arrival(row, planned_departure, destination)
    carrier, origin = intern(row.text("carrier")), intern(row.text("origin"))
    day = f"{YEAR}{int(row.number('month')):02d}{int(row.number('day')):02d}"
    name = f"{carrier}{row.text('flight')}-{origin}-{destination}-{day}"
    tail = row.cells[row.columns["tailnum"]]
    return Leg(
        id=name, origin=origin, carrier=carrier, destination=destination, planned=promised - planned_departure, promised=promised,
        aircraft=f"unknown-{name}" if tail in {"", "NA"} else intern(tail), departed=planned_departure + timedelta(minutes=late),
        arrived=None if arrival_late is None else promised + timedelta(minutes=arrival_late),
        lateness_s=late * 60.0, distance_km=round(row.number("distance") * KM_PER_MILE, 3),
    )  # fmt: skip


def weather(row: Row) -> WeatherObserved:
    """Return a row of the weather table as an event; a reading that no station can give (a wind of 1,048 mph is in there)
    is null.
    """
    at, origin = _hour(row), intern(row.text("origin"))
    return WeatherObserved(
        event_id=f"weather-{origin}-{at:%Y%m%dT%H}", at=at, depot_id=origin,
        temperature_c=_reading(row, "temp", 5 / 9, -160 / 9, least=-90, most=60),
        dew_point_c=_reading(row, "dewp", 5 / 9, -160 / 9, least=-90, most=60),
        humidity_pct=_reading(row, "humid", 1.0, most=110),
        wind_mps=_reading(row, "wind_speed", MPS_PER_MPH, most=150),
        gust_mps=_reading(row, "wind_gust", MPS_PER_MPH, most=150),
        precipitation_mm=_reading(row, "precip", 25.4, most=500),
        pressure_hpa=_reading(row, "pressure", 1.0, least=800, most=1100),
        visibility_km=_reading(row, "visib", KM_PER_MILE, most=100),
    )  # fmt: skip


def _reading(row: Row, column: str, factor: float, offset: float = 0.0, *, least: float = 0.0, most: float) -> float | None:
    value = row.number_or_none(column)
    if value is None:
        return None
    value = round(value * factor + offset, 3)
    return value if least <= value <= most else None


def _hour(row: Row) -> datetime:
    """The scheduled hour of a flight, the hour of a reading: UTC."""
    return _moment(row.text("time_hour")) or _bad(row, "time_hour", "a time with its zone")


@cache
def _moment(text: str) -> datetime | None:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if value.tzinfo is None else value.astimezone(UTC)


def _arrival(row: Row, departure: datetime, destination: str) -> datetime:
    """The planned arrival, UTC: the first moment after departure when the destination's clocks show the planned time."""
    name = ZONES.get(destination)
    if name is None:
        return _bad(row, "dest", "an airport whose time zone we know (producers/flights.py, ZONES)")
    there = rows.zone(name)
    hour, minute = divmod(int(row.number("sched_arr_time")), 100)
    start = departure.astimezone(there).replace(hour=0, minute=0, fold=0)
    for days in (0, 1):
        day = start.replace(tzinfo=None) + timedelta(days=days, hours=hour, minutes=minute)
        arrival = day.replace(tzinfo=there).astimezone(UTC)
        if arrival > departure:
            return arrival
    return _bad(row, "sched_arr_time", "an arrival after the departure")


def _bad(row: Row, column: str, expected: str) -> datetime:
    raise row.fault(column, expected, row.cells[row.columns[column]]) from None
