"""What event does a dead letter hold, or should it have held? Its bytes read by a schema, or what a person made of them, checked."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.errors import Fault
from producers.check import NotAnEvent, event_class, event_from
from producers.redrive import derived_id
from schemas import avro, catalogue
from schemas.event import Event, Topic
from schemas.letters import DeadLetter
from schemas.salvage import Endless, Salvage, framed, salvage

Schemas = Callable[[int], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Opened:
    """A letter and what can be read of it. by: which schema read it; None, and nothing read, where there is none to try."""

    letter: DeadLetter
    read: Salvage | None
    by: str

    def first_id(self, first_letter_id: str) -> str:
        """Return the id under which its event goes: its own where that can be read, else one that follows from the first letter."""
        return self.own_id or derived_id(first_letter_id)

    @property
    def own_id(self) -> str:
        """Return the id that stands in its bytes, empty where none can be read."""
        return (self.read.event_id if self.read else None) or ""

    @property
    def is_control(self) -> bool:
        """Return whether it is a control record, which belongs to its partition and not to a key."""
        return self.read is not None and self.read.event == "Control"

    def keys(self) -> tuple[str, ...]:
        """Return the keys that an event in its place may have; none: any."""
        filed = (self.letter.raw_key or b"").decode(errors="replace")
        topic = catalogue.topics().get(self.letter.origin_topic)
        said = str(self.read.fields.get(topic.key, "")) if self.read and topic else ""
        if not filed or "\ufffd" in filed:
            return (said,) if said else ()
        return (filed, said) if said and self.letter.reason == "bad_key" else (filed,)


def open_letter(letter: DeadLetter, schemas: Schemas, name: str | None = None) -> Opened:
    """Read what can be read: by the writer's schema, or by that of the event called `name`. Raises Fault for an unknown name."""
    if name is not None:
        event = _class(letter, name)
        tries = [salvage(avro.schema(event), body) for body in _bodies(letter)]
        best = max(tries, key=lambda one: (one.whole, len(one.fields)), default=None)
        return Opened(letter, best, f"{name} as this release knows it")
    frame = framed(letter.raw_value)
    if frame is None:
        return Opened(letter, None, "no schema: the bytes do not name one")
    writer = schemas(frame[0])
    if writer is None or writer.get("type") != "record":
        return Opened(letter, None, f"no schema: the registry has no record under the id {frame[0]}")
    try:
        return Opened(letter, salvage(writer, frame[1]), f"{writer['name']}, schema {frame[0]} of the registry")
    except Endless as endless:
        return Opened(letter, None, f"schema {frame[0]} cannot be read safely: {endless}")


def _bodies(letter: DeadLetter) -> list[bytes]:
    """Return which bytes may be the record: those behind a frame, or all."""
    frame, value = framed(letter.raw_value), letter.raw_value
    return [*([frame[1]] if frame else []), *([value] if value else [])]


def topic_of(letter: DeadLetter) -> Topic:
    """Return the topic a letter came from. Raises Fault if this release does not know it."""
    known = catalogue.topics()
    if letter.origin_topic not in known:
        raise Fault(f"letter {letter.event_id}: this release knows no topic {letter.origin_topic}; it knows {', '.join(known)}")
    return known[letter.origin_topic]


def _class(letter: DeadLetter, name: str) -> type[Event]:
    event, topic = event_class(name), topic_of(letter)
    if event not in catalogue.holds(topic):
        names = ", ".join(each.__name__ for each in catalogue.holds(topic))
        raise NotAnEvent(f"schema: {topic.name} does not hold {name}; it holds {names}")
    return event


def redecoded(opened: Opened, name: str, first_letter_id: str) -> Event:
    """Return the event that the bytes are when read as `name`: Avro with any frame or none, or JSON. Raises Fault."""
    letter = opened.letter
    if letter.size > len(letter.raw_value or b""):
        raise Fault(f"letter {letter.event_id}: only {len(letter.raw_value or b''):,} of {letter.size:,} bytes were kept")
    read = opened.read
    if read is not None and read.whole:
        return event_from(name, dict(read.fields))
    if (values := _json(letter.raw_value)) is not None:
        return event_from(name, {"event_id": derived_id(first_letter_id)} | values)
    why = (
        "it has no bytes"
        if read is None
        else f"field {read.broken}: {read.why}"
        if read.broken
        else f"{read.left} bytes too many"
    )
    raise Fault(f"letter {letter.event_id} is no {name}: {why}")


def _json(value: bytes | None) -> dict[str, Any] | None:
    try:
        found = json.loads(value or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def edited(opened: Opened, values: Mapping[str, Any], name: str | None, first_letter_id: str) -> Event:
    """Return the event that a person made of a letter, under its first id. Raises Fault that names the field."""
    chosen = name or (opened.read.event if opened.read else None)
    if chosen is None:
        names = ", ".join(event.__name__ for event in catalogue.holds(topic_of(opened.letter)))
        raise Fault(f"letter {opened.letter.event_id} does not tell which event it is: say it with --schema, one of {names}")
    _class(opened.letter, chosen)
    first = opened.first_id(first_letter_id)
    given = values.get("event_id", first)
    if given != first:
        raise NotAnEvent(f"{chosen}.event_id: expected {first!r}, the letter's first id (or leave it out), found {given!r}")
    return event_from(chosen, {"event_id": first} | dict(values))


def edit_from(path: Path) -> dict[str, Any]:
    """Return the fields that stand in a file. Raises Fault where it is no JSON object."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise Fault(f"edit: expected a file that can be read, found {path}: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise Fault(f"edit: expected UTF-8 in {path}, found other bytes") from None
    try:
        found = json.loads(text)
    except ValueError as fault:
        raise Fault(f"edit: expected a JSON object in {path}, found something else: {fault}") from None
    if not isinstance(found, dict):
        raise Fault(f"edit: expected a JSON object with the event's fields in {path}, found {type(found).__name__}")
    return found
