"""Which topics are there, and what is in them? Importing this module imports every domain."""

from schemas import control, dispatch, letters
from schemas.control import Control
from schemas.event import Event, Topic, events

DOMAINS = (dispatch,)
_SYSTEM = (control, letters)


def holds(topic: Topic) -> tuple[type[Event], ...]:
    """Return the classes whose records lie in a topic, in a fixed order; a facts topic holds `Control` too."""
    own = tuple(event for event in events().values() if event.topic == topic)
    return (*own, Control) if topic.facts else own


def topics() -> dict[str, Topic]:
    """Return every topic of the catalogue by name."""
    return {event.topic.name: event.topic for event in events().values()}


def subject(topic: Topic, event: type[Event]) -> str:
    """Return the registry subject, by TopicRecordNameStrategy.

    >>> subject(dispatch.ASSIGNMENTS, dispatch.AssignmentAccepted)
    'dispatch.assignments.v1-AssignmentAccepted'
    """
    return f"{topic.name}-{event.__name__}"


def subjects() -> dict[str, tuple[Topic, type[Event]]]:
    """Return every (topic, class) pair that the registry knows, by subject."""
    return {subject(topic, event): (topic, event) for topic in topics().values() for event in holds(topic)}
