"""Where does a historical run get its clock? From its own events: an hour begins when the first event at or after it
comes.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from schemas.control import Control
from schemas.event import Event

HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tick(number: int) -> Control:
    """Return the tick of an hour: number is hours since 1970-01-01 UTC, its id a function of that alone."""
    return Control(
        event_id=f"tick-hours-{number}",
        at=_EPOCH + number * HOUR,
        series="hours",
        number=number,
        kind="tick",
        name="hour",
        value="",
    )


def with_ticks(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events, which come in event-time order, with a tick before the first event of each hour, quiet hours
    included.

    The first tick is the first full hour not before the first event; the last one closes the hour of the last event. An
    event that comes late (before the hour that has begun) passes unchanged.
    """
    number: int | None = None
    for event in events:
        begun = (event.at - _EPOCH) // HOUR
        if number is None:
            number = begun if event.at == _EPOCH + begun * HOUR else begun + 1
        while number <= begun:
            yield tick(number)
            number += 1
        yield event
    if number is not None:
        yield tick(number)
