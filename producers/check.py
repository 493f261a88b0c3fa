"""Is this mapping an event? One clear answer: the event, or the field, what was expected and what was found."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from infra.errors import Fault
from schemas import catalogue
from schemas.event import Event, fields, unit_of


class NotAnEvent(Fault):
    """These fields are not an event of that name; the message names the first wrong field. Nothing was sent."""


def event_class(name: str) -> type[Event]:
    """Return the event class of a name. Raises NotAnEvent if the catalogue has none."""
    known = {event.__name__: event for topic in catalogue.topics().values() for event in catalogue.holds(topic)}
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise NotAnEvent(
            f"no event is called {name!r}" + (f": did you mean {near[0]}?" if near else f"; there are {', '.join(known)}")
        )
    return known[name]


def event_from(name: str, values: Mapping[str, Any]) -> Event:
    """Return the event. Numbers must be numbers, moments aware (`datetime` or ISO 8601 text with a zone); nothing is guessed.

    Raises NotAnEvent that names the first wrong field.
    """
    event = event_class(name)
    for field in values:
        if field not in event.model_fields:
            raise NotAnEvent(f"{name}.{field}: {_stranger(event, field)}")
    texts = {field: _from_text(event, field, value) for field, value in values.items()}
    try:
        return event.model_validate(texts, strict=True)
    except ValidationError as error:
        raise NotAnEvent(f"{name}.{complaint(error)}") from None


def complaint(error: ValidationError) -> str:
    """Return the first fault of a pydantic error in one line: field, what was expected, what was found.

    >>> from schemas.control import Control
    >>> try:
    ...     Control(event_id="e", at="2013-01-01T00:00:00Z", series="hours", number=-1, kind="tick", name="hour", value="")
    ... except ValidationError as error:
    ...     complaint(error)
    'number: input should be greater than or equal to 0, found -1'
    """
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{where}: expected a value, found nothing"
    found = "" if ", found " in message else f", found {_short(first['input'])}"
    return f"{where}: {message[0].lower()}{message[1:]}{found}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}… ({type(value).__name__})"


def _stranger(event: type[Event], field: str) -> str:
    """Return what is wrong with a field that the event does not have: its unit, its spelling, or that it is there at all."""
    names = [name for name, _ in fields(event)]
    unit = unit_of(field)
    stem = field.rpartition("_")[0] if unit else field
    same = [name for name in names if stem in (name, name.rpartition("_")[0])]
    if same:
        return f"expected {same[0]} in {unit_of(same[0]) or 'no unit'}, found a value in {unit or 'no unit'}"
    near = get_close_matches(field, names, n=1)
    return "no such field" + (f", did you mean {near[0]}?" if near else f"; {event.__name__} has {', '.join(names)}")


def _from_text(event: type[Event], field: str, value: Any) -> Any:
    """Return a moment or an amount of money that came as text as what it says; anything else as it is."""
    if not isinstance(value, str):
        return value
    annotation = event.model_fields[field].annotation
    wants = {annotation, *getattr(annotation, "__args__", ())}
    wants |= {getattr(part, "__origin__", None) for part in wants}
    try:
        if datetime in wants:
            return datetime.fromisoformat(value)
        if Decimal in wants:
            return Decimal(value)
    except (ValueError, InvalidOperation):
        expected = "ISO 8601 text with its zone" if datetime in wants else "a decimal number"
        raise NotAnEvent(f"{event.__name__}.{field}: expected {expected}, found {_short(value)}") from None
    return value
