"""What is an event, and where does it live?

An event is one frozen pydantic class. Its topic, key, Avro schema, SQL table and test builder are read off the class, so a
fact is written down once.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AllowInfNan, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""Event times outside [EARLIEST, LATEST) are a broken clock or a wrong unit, never a fact."""

YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic: its name, the field its records are keyed by, and how the broker keeps it.

    name: `<domain>.<stream>.v<n>`. key: a field of every event in it. facts: True where upstream apps write and one agent
    decides, so control records travel in it. retention: how long the broker keeps records by *append* time, None for ever.
    """

    name: str
    key: str
    partitions: int = 12
    retention: timedelta | None = YEAR
    compacted: bool = False
    facts: bool = False

    @property
    def domain(self) -> str:
        """The first word of the name."""
        return self.name.split(".", 1)[0]


@dataclass(frozen=True, slots=True)
class Utf8:
    """The bounds of a text field, in bytes of UTF-8 (what Kafka and the columns count)."""

    min_bytes: int = 0
    max_bytes: int = 10_000

    def __call__(self, text: str) -> str:
        size = len(text.encode())
        if not self.min_bytes <= size <= self.max_bytes:
            raise ValueError(f"expected {self.min_bytes} to {self.max_bytes} bytes of UTF-8, found {size}")
        return text


@dataclass(frozen=True, slots=True)
class OrUnknown:
    """The rule of a feature: a finite number, or nan for unknown."""

    def __call__(self, number: float) -> float:
        if math.isinf(number):
            raise ValueError(f"expected a finite number, or nan for unknown; found {number}")
        return number


def _moment(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("expected a time with its zone, found a naive one")
    value = value.astimezone(UTC)
    if not EARLIEST <= value < LATEST:
        raise ValueError(f"expected a time from {EARLIEST:%Y-%m-%d} to before {LATEST:%Y-%m-%d}, found {value.isoformat()}")
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


_ID, _NOTE = Utf8(1, 200), Utf8(0, 2_000)
Id = Annotated[str, _ID, AfterValidator(_ID)]
"""An identifier: 1 to 200 bytes of UTF-8."""
Note = Annotated[str, _NOTE, AfterValidator(_NOTE)]
"""A short text for people: at most 2,000 bytes of UTF-8."""
_OR_UNKNOWN = OrUnknown()
Feature = Annotated[float, AllowInfNan(True), _OR_UNKNOWN, AfterValidator(_OR_UNKNOWN)]
"""A number that a model is given: finite, or nan where it is not known. Only inside a list."""
Moment = Annotated[datetime, AfterValidator(_moment)]
"""A point in time: aware, kept as UTC in whole milliseconds, from 2000 to before 2100."""

UNITS = {
    "_s": "s", "_ms": "ms", "_min": "min", "_m": "m", "_km": "km", "_c": "°C", "_mps": "m/s", "_mm": "mm", "_hpa": "hPa",
    "_ratio": "1", "_deg": "°", "_pct": "%",
}  # fmt: skip


def unit_of(name: str) -> str | None:
    """Return the unit that a field's name ends in, or None.

    >>> unit_of("distance_km"), unit_of("assignment_id")
    ('km', None)
    """
    _, mark, end = name.rpartition("_")
    return UNITS.get("_" + end) if mark else None


@dataclass(slots=True)
class _Catalogue:
    events: dict[str, type["Event"]] = field(default_factory=dict)


_catalogue = _Catalogue()


class Event(BaseModel):
    """A fact: past tense, frozen, with the moment it happened.

    A subclass states its `topic`; an abstract one (a shared shape) leaves it out and is not in the catalogue.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    topic: ClassVar[Topic]

    event_id: Id = Field(description="Unique id of this event; a repeated id is the same event told twice.")
    at: Moment = Field(description="When it happened, not when we heard.")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Enter every concrete event into the catalogue."""
        super().__pydantic_init_subclass__(**kwargs)
        if "topic" in cls.__dict__:
            _catalogue.events[cls.__name__] = cls

    @property
    def key(self) -> str:
        """The Kafka key: what is decided together shares it."""
        return str(getattr(self, type(self).topic.key))


class Derived(Event):
    """An event we concluded: its id is a hash of what led to it, so concluding twice gives the same event."""

    cause: Id = Field(description="Id of the event that led to this one; `affluent trace` follows it.")


def events() -> dict[str, type[Event]]:
    """Return every event class by name. Import `schemas.catalogue` first: it imports all domains."""
    return dict(_catalogue.events)


def fields(event: type[Event]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the event's fields in wire order: id, time, cause, then its own."""
    yield from event.model_fields.items()
