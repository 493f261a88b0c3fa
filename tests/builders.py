"""What does a usual event look like? Build one of any class and name only what matters.

`build(AssignmentAccepted, depot_id="d1")` is usual in every other field; `events(AssignmentAccepted)` is a hypothesis strategy
for all that the class allows. Both are read off the class.
"""

import types
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from schemas.event import EARLIEST, LATEST, Event, Utf8, fields

E = TypeVar("E", bound=Event)

USUAL_AT = datetime(2013, 3, 9, 17, 30, tzinfo=UTC)
"""A Saturday noon in New York, the day before its clocks change."""


def build(event: type[E], **given: Any) -> E:
    """Return a valid event: `given`, and usual values elsewhere; equal calls give equal events."""
    usual = {name: _usual(event, name, info) for name, info in fields(event) if name not in given}
    return event(**{**usual, **given})


def many(event: type[E], n: int, *, every: timedelta = timedelta(seconds=1), **given: Any) -> list[E]:
    """Return n events with their own ids, `every` apart. A given callable is called with the event's number."""
    first = given.pop("at", USUAL_AT)
    return [
        build(
            event,
            **{"event_id": f"{event.__name__}-{i}", "at": first + i * every}
            | {name: value(i) if callable(value) else value for name, value in given.items()},
        )
        for i in range(n)
    ]


def events(event: type[E], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[E]:
    """Return a strategy for every valid event of a class; `given` strategies replace those of their fields."""
    drawn = {name: given.get(name, _strategy(info.annotation, tuple(info.metadata))) for name, info in fields(event)}
    return st.fixed_dictionaries(drawn).map(lambda values: event(**values))


def _parts(annotation: Any, metadata: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...], bool]:
    """Return the plain type, everything said about it, and whether it may be null."""
    if hasattr(annotation, "__metadata__"):
        return _parts(get_args(annotation)[0], (*metadata, *annotation.__metadata__))
    if get_origin(annotation) in (Union, types.UnionType):
        inner = next(a for a in get_args(annotation) if a is not type(None))
        return (*_parts(inner, metadata)[:2], True)
    return annotation, metadata, False


def _bound(metadata: tuple[Any, ...], name: str) -> Any:
    return next((getattr(m, name) for m in metadata if getattr(m, name, None) is not None), None)


def _usual(event: type[Event], name: str, info: FieldInfo) -> Any:
    if not info.is_required():
        return info.default
    plain, metadata, _ = _parts(info.annotation, tuple(info.metadata))
    origin = get_origin(plain)
    if origin is Literal:
        symbols = get_args(plain)
        return symbols[min(1, len(symbols) - 1)]
    if origin is list:
        return []
    if plain is str:
        return f"{name}-1" if name != "event_id" else f"{event.__name__}-1"
    if plain is datetime:
        return USUAL_AT + (timedelta(hours=1) if name == "promised_at" else timedelta())
    if plain in (int, float, Decimal):
        low, high = _bound(metadata, "ge"), _bound(metadata, "le")
        return plain(1 if (low is None or low <= 1) and (high is None or high >= 1) else low)
    made: dict[Any, Callable[[], Any]] = {bool: lambda: True, bytes: lambda: b"\x01"}
    return made[plain]()


def _strategy(annotation: Any, metadata: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    plain, said, nullable = _parts(annotation, metadata)
    found = _plain(plain, said)
    return st.none() | found if nullable else found


def _plain(plain: Any, metadata: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    low, high = _bound(metadata, "ge"), _bound(metadata, "le")
    if get_origin(plain) is Literal:
        return st.sampled_from(get_args(plain))
    if get_origin(plain) is list:
        return st.lists(_strategy(get_args(plain)[0], ()), max_size=30)
    if plain is str:
        return _text(next((m for m in metadata if isinstance(m, Utf8)), Utf8()))
    if plain is datetime:
        return st.datetimes(
            EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None) - timedelta(milliseconds=1), timezones=st.just(UTC)
        )
    if plain is Decimal:
        places = _bound(metadata, "decimal_places")
        return st.decimals(
            low if low is not None else -(10**9), high if high is not None else 10**9, places=2 if places is None else places
        )
    if plain is float:
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    if plain is int:
        return st.integers(low if low is not None else -(2**63), high if high is not None else 2**63 - 1)
    made: dict[Any, st.SearchStrategy[Any]] = {bool: st.booleans(), bytes: st.binary(max_size=100)}
    return made[plain]


def _text(bounds: Utf8) -> st.SearchStrategy[str]:
    # A character takes at most four bytes; longer texts than 50 characters find nothing that shorter ones do not.
    longest = min(bounds.max_bytes // 4, 50)
    return st.text(st.characters(codec="utf-8"), min_size=min(bounds.min_bytes, longest), max_size=longest)
