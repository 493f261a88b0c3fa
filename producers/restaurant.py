"""How do orders of a restaurant become dispatch events? An order is an assignment, accepted when it comes in; its
delivery is the truth.

Reads the `deliveries` table of modeldata. The rows have a weekday and an hour but no date, so a seeded rule lays them on
a calendar: the order falls in one of 52 weeks from Monday, 1 January 2018, drawn from a generator seeded with `SEED` in
the order of the file. The place is not given either: clocks are New York's, with their daylight saving time. Every order
is promised in 30 minutes; couriers are not named, so there is one; a route is a ring of one kilometre around the kitchen.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

from producers import rows
from producers.rows import Row
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted
from schemas.event import Event

SOURCE = "restaurant"
SEED = 2018
FIRST_MONDAY = date(2018, 1, 1)
WEEKS = 52
ZONE = "America/New_York"
PROMISE = timedelta(minutes=30)
KM_PER_MILE = 1.609344

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DEPOT, _COMPANY, _COURIER = "restaurant-1", "restaurant", "restaurant-1-couriers"


def read(files: Iterable[Path]) -> Iterator[Event]:
    """Yield acceptances and completions in event-time order. Raises Fault that names the file, line and column."""
    facts: list[tuple[datetime, str, Event]] = []
    for file in files:
        header, lines = rows.read(file)
        items = [name for name in header if name.startswith("item_")]
        rows.needs(file, header, ("order_id", "time_to_delivery", "hour", "day", "distance"))
        chance = Random(SEED)  # noqa: S311  # a fair calendar, not a secret
        for row in lines:
            accepted, completed = order(row, items, int(chance.random() * WEEKS))
            facts += [(accepted.at, accepted.event_id, accepted), (completed.at, completed.event_id, completed)]
    facts.sort(key=lambda fact: fact[:2])
    yield from (event for _, _, event in facts)


def order(row: Row, items: list[str], week: int) -> tuple[AssignmentAccepted, DeliveryCompleted]:
    """Return the two events of one order that is laid into a week, 0 to 51."""
    if row.text("day") not in _DAYS:
        raise row.fault("day", f"one of {', '.join(_DAYS)}", row.text("day"))
    day = FIRST_MONDAY + timedelta(weeks=week, days=_DAYS.index(row.text("day")))
    midnight = datetime(day.year, day.month, day.day, tzinfo=rows.zone(ZONE))
    local = midnight + timedelta(milliseconds=round(row.number("hour") * 3_600_000))
    at = local.astimezone(UTC)
    offset = local.utcoffset() or timedelta()
    km = round(row.number("distance") * KM_PER_MILE, 3)
    who = {"assignment_id": f"order-{row.text('order_id')}", "depot_id": _DEPOT, "company_id": _COMPANY, "courier_id": _COURIER}
    who["route_id"] = f"ring-{int(km)}-km"
    accepted = AssignmentAccepted(
        event_id=f"{who['assignment_id']}/accepted", at=at, source=SOURCE, promised_at=at + PROMISE, lateness_s=0.0,
        planned_s=PROMISE.total_seconds(), distance_km=km, items=int(sum(row.number(name) for name in items)),
        utc_offset_s=int(offset.total_seconds()), **who,
    )  # fmt: skip
    arrived = at + timedelta(minutes=row.number("time_to_delivery"))
    return accepted, DeliveryCompleted(event_id=f"{who['assignment_id']}/completed", at=arrived, **who)
