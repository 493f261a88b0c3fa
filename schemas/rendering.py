"""Which generated files must agree with the classes? Every `.avsc`, by the same function for the command and for the test."""

from pathlib import Path

from schemas import avro, catalogue
from schemas.event import Event


def every_event() -> tuple[type[Event], ...]:
    """Return each class that travels on some topic, once, by name."""
    classes = {event for _, event in catalogue.subjects().values()}
    return tuple(sorted(classes, key=lambda event: event.__name__))


def render_all() -> dict[Path, str]:
    """Return what each `.avsc` file must contain, by its path."""
    return {avro.path(event): avro.render(event) for event in every_event()}
