"""What does a city of couriers do, if we know every cause? A seeded simulation, with its own truth.

A city has depots; each has couriers, streets (routes), a daily rhythm of orders and its own weather. How long a job takes is
planned duration plus known effects (courier, street, hour, rain, a late start) plus normal noise of `noise_s`: nobody can predict
it better than `City.floor_s`. Each day is drawn from (seed, day) alone, so a day does not depend on how many were made before it.
A courier carries several jobs at once; no job waits for a courier. Clocks are New York's, with their change of time in March.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from producers import rows
from producers.chunk import Chunk
from schemas.columns import Columns, Nullable, Strings
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted, DriverAvailabilityChanged, WeatherObserved

SOURCE = "simulation"
ZONE = "America/New_York"
HOUR_MS = 3_600_000
START = date(2019, 1, 1)

RHYTHM = np.array([1, 1, 1, 1, 1, 2, 4, 7, 8, 7, 7, 10, 12, 10, 8, 7, 8, 11, 14, 13, 9, 6, 4, 2], float)
"""Orders by local hour, in proportion."""
RUSH_S = np.array([0, 0, 0, 0, 0, 0, 30, 120, 180, 90, 30, 60, 90, 60, 30, 60, 120, 210, 240, 150, 60, 0, 0, 0], float)
"""What the local hour adds, seconds."""
RAIN_S = 45.0
"""What each millimetre of rain in the hour adds, seconds."""
SPEED_KMPH = 18.0
HANDLING_S = 600.0

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Closure:
    """An injected fault: from a moment on, every job of one depot takes so much longer."""

    depot: int
    since: datetime
    extra_s: float


@dataclass(frozen=True)
class City:
    """The truth of a city. orders: a day, over all depots."""

    seed: int = 1
    depots: int = 8
    couriers: int = 25
    streets: int = 40
    orders: int = 20_000
    noise_s: float = 120.0
    closure: Closure | None = None
    start: date = START
    courier_s: Floats = field(init=False)
    street_s: Floats = field(init=False)
    street_km: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Draw what stays the same all the time: how fast each courier is, how long and how slow each street."""
        chance = np.random.default_rng([self.seed, 0])
        object.__setattr__(self, "courier_s", chance.normal(0, 90, (self.depots, self.couriers)))
        object.__setattr__(self, "street_s", chance.normal(0, 120, (self.depots, self.streets)))
        object.__setattr__(self, "street_km", np.round(chance.gamma(3.0, 1.2, (self.depots, self.streets)) + 0.3, 3))

    @property
    def floor_s(self) -> float:
        """Mean absolute error of whoever knows all but the noise: no model can do better for long."""
        return self.noise_s * math.sqrt(2 / math.pi)


@dataclass(frozen=True)
class Weather:
    """One day of one city: (depots, hours of the day)."""

    temperature_c: Floats
    rain_mm: Floats
    wind_mps: Floats


def simulate(city: City, days: int | None = None) -> Iterator[Chunk]:
    """Yield the city's life day by day, in event-time order; without an end if `days` is None.

    A completed job appears in the chunk of the day it ends; what is under way after the last day completes in a chunk of its own.
    """
    late: Columns[DeliveryCompleted] = Columns.empty(DeliveryCompleted)
    day = 0
    while days is None or day < days:
        accepted, completed = _jobs(city, day)
        completed = Columns.concat([late, completed])
        ends = completed["at"] >= _midnight_ms(city, day + 1)
        late = completed.take(ends)
        yield Chunk.by_time([_weather(city, day), _shifts(city, day), completed.take(~ends), accepted])
        day += 1
    if late.n:
        yield Chunk.by_time([late])


def weather(city: City, day: int) -> Weather:
    """Return the truth of a day's weather; it is the same whenever it is asked for."""
    hours = _hours(city, day)
    chance = np.random.default_rng([city.seed, day, 1])
    today, tomorrow = (np.random.default_rng([city.seed, d, 2]).normal(0, 4) for d in (day, day + 1))
    season = 11 - 13 * math.cos(2 * math.pi * ((city.start + timedelta(days=day)).timetuple().tm_yday - 15) / 365.25)
    at = np.arange(hours) / hours
    temperature = season + today + (tomorrow - today) * at + 4 * np.sin(2 * math.pi * (at - 0.375))
    storm = chance.random() < 0.3
    begin, length = chance.integers(0, 24), chance.integers(2, 9)
    wet = storm & (np.arange(hours) >= begin) & (np.arange(hours) < begin + length)
    rain = wet * chance.gamma(1.5, 1.5, (city.depots, hours))
    wind = chance.gamma(4.0, 1.0, (city.depots, hours)) + np.where(wet, 2.0, 0.0)
    warmth: Floats = np.broadcast_to(np.round(temperature, 1), rain.shape)
    return Weather(warmth, np.round(rain, 1), np.round(wind, 1))


def _jobs(city: City, day: int) -> tuple[Columns[AssignmentAccepted], Columns[DeliveryCompleted]]:
    chance = np.random.default_rng([city.seed, day, 3])
    n, hours = city.orders, _hours(city, day)
    start_ms = _midnight_ms(city, day)
    offset_s = _offsets_s(city, day)
    local = (np.arange(hours) + (offset_s - offset_s[0]) // 3600) % 24
    hour = chance.choice(hours, n, p=RHYTHM[local] / RHYTHM[local].sum())
    at = np.sort(start_ms + hour * HOUR_MS + chance.integers(0, HOUR_MS, n))
    hour = (at - start_ms) // HOUR_MS
    depot = chance.integers(0, city.depots, n)
    courier, street = chance.integers(0, city.couriers, n), chance.integers(0, city.streets, n)
    km = city.street_km[depot, street]
    planned_s = np.round(HANDLING_S + km / SPEED_KMPH * 3600)
    lateness_s = np.round(chance.gamma(2.0, 60.0, n) - 90.0, 1)
    slower_s = city.courier_s[depot, courier] + city.street_s[depot, street] + RUSH_S[local[hour]]
    slower_s = slower_s + RAIN_S * weather(city, day).rain_mm[depot, hour] + 0.8 * lateness_s
    if city.closure is not None:
        hit = (depot == city.closure.depot) & (at >= int(city.closure.since.timestamp() * 1000))
        slower_s = slower_s + hit * city.closure.extra_s
    delay_s = slower_s + chance.normal(0, city.noise_s, n)
    promised = at + np.round((planned_s - lateness_s) * 1000).astype(np.int64)
    # Nobody arrives before the start: this cuts the fastest jobs of the shortest streets, a few in a thousand.
    arrived = np.maximum(promised + np.round(delay_s * 1000).astype(np.int64), at + 60_000)
    ids = _numbered(f"sim-{city.seed}-{day}-", np.arange(n))
    shared = {
        "assignment_id": ids,
        "depot_id": _names("depot", city.depots, depot),
        "company_id": _names("company", 4, courier % 4),
        "courier_id": _names("courier", city.depots * city.couriers, depot * city.couriers + courier),
        "route_id": _names("street", city.depots * city.streets, depot * city.streets + street),
    }
    accepted = Columns(
        AssignmentAccepted,
        shared
        | {
            "event_id": _numbered(f"sim-{city.seed}-{day}-accepted-", np.arange(n)),
            "at": at,
            "source": Strings.repeated(SOURCE, n),
            "promised_at": promised,
            "lateness_s": lateness_s,
            "planned_s": planned_s,
            "distance_km": km,
            "items": chance.integers(1, 9, n),
            "utc_offset_s": offset_s[hour],
        },
    )
    completed = Columns(
        DeliveryCompleted, shared | {"event_id": _numbered(f"sim-{city.seed}-{day}-completed-", np.arange(n)), "at": arrived}
    )
    return accepted, completed


def _weather(city: City, day: int) -> Columns[WeatherObserved]:
    truth = weather(city, day)
    depots, hours = truth.rain_mm.shape
    depot, hour = np.repeat(np.arange(depots), hours), np.tile(np.arange(hours), depots)
    nothing = Nullable.of_floats(np.full(depots * hours, np.nan))
    return Columns(
        WeatherObserved,
        {
            "event_id": _numbered(f"sim-{city.seed}-{day}-weather-", depot * 100 + hour),
            "at": _midnight_ms(city, day) + hour * HOUR_MS,
            "depot_id": _names("depot", depots, depot),
            "temperature_c": truth.temperature_c.ravel(),
            "precipitation_mm": truth.rain_mm.ravel(),
            "wind_mps": truth.wind_mps.ravel(),
            **dict.fromkeys(("dew_point_c", "humidity_pct", "gust_mps", "pressure_hpa", "visibility_km"), nothing),
        },
    )


def _shifts(city: City, day: int) -> Columns[DriverAvailabilityChanged]:
    """Each courier comes on duty between six and seven, and goes off sixteen hours later."""
    chance = np.random.default_rng([city.seed, day, 4])
    n = city.depots * city.couriers
    begin = _midnight_ms(city, day) + 6 * HOUR_MS + chance.integers(0, HOUR_MS, n)
    courier = np.tile(np.arange(n), 2)
    north, east = np.round(0.1 * chance.random((2, 2 * n)), 5)
    return Columns(
        DriverAvailabilityChanged,
        {
            "event_id": _numbered(f"sim-{city.seed}-{day}-shift-", np.arange(2 * n)),
            "at": np.concatenate([begin, begin + 16 * HOUR_MS]),
            "depot_id": _names("depot", city.depots, courier // city.couriers),
            "courier_id": _names("courier", n, courier),
            "company_id": _names("company", 4, courier % city.couriers % 4),
            "available": np.repeat([True, False], n),
            "latitude_deg": 40.7 + north,
            "longitude_deg": -74.0 + east,
        },
    )


def _midnight(city: City, day: int) -> datetime:
    there = city.start + timedelta(days=day)
    return datetime(there.year, there.month, there.day, tzinfo=rows.zone(ZONE))


def _midnight_ms(city: City, day: int) -> int:
    return int(_midnight(city, day).timestamp()) * 1000


def _hours(city: City, day: int) -> int:
    """How many hours the day has: 23 or 25 when the clocks change."""
    return (_midnight_ms(city, day + 1) - _midnight_ms(city, day)) // HOUR_MS


def _offsets_s(city: City, day: int) -> Ints:
    """Local time minus UTC in each hour of the day."""
    midnight = _midnight(city, day).astimezone(UTC)
    found = ((midnight + timedelta(hours=h)).astimezone(rows.zone(ZONE)).utcoffset() for h in range(_hours(city, day)))
    return np.array([int((offset or timedelta()).total_seconds()) for offset in found], np.int64)


def _names(kind: str, count: int, which: Ints) -> Strings:
    return Strings.of([f"{kind}-{i}" for i in range(count)]).take(which)


def _numbered(prefix: str, numbers: Ints) -> Strings:
    """Return prefix and eight digits for each number."""
    n = len(numbers)
    head = np.frombuffer(prefix.encode(), np.uint8)
    digits = numbers[:, None] // 10 ** np.arange(7, -1, -1) % 10 + ord("0")
    data = np.concatenate([np.broadcast_to(head, (n, len(head))), digits.astype(np.uint8)], axis=1)
    width = len(head) + 8
    return Strings(np.ascontiguousarray(data).reshape(-1), np.arange(n, dtype=np.int64) * width, np.full(n, width, np.int32))
