"""What are job and answer as events of ours? Of the same bytes as `wire.JOB`, and never in the product's catalogue.

A class enters the catalogue if it states a topic itself; `placed` gives a class its topic through a mixin instead.
"""

from typing import ClassVar, TypeVar

from schemas.event import Derived, Event, Feature, Id, Topic

E = TypeVar("E", bound=Event)


class JobTaken(Event):
    """A courier took a job. event_id is the assignment, at the promised time: the load has no others."""

    courier_id: Id
    restaurant_id: Id
    distance_km: float
    items: int
    hour: int
    dow: int
    temperature_c: float
    rain: bool
    traffic: float
    prep_min: float
    wind: float
    load: float
    rating: float


class DelayAnswered(Derived):
    """How late we expect a job to be. More than `wire.ANSWER`: our id, time, cause and key, 58 bytes."""

    assignment_id: Id
    courier_id: Id
    delay_s: float
    model_version: Id
    features: list[Feature]


def placed(event: type[E], name: str) -> type[E]:
    """Return the class as its records lie in a topic, keyed by courier."""

    class Place:
        topic: ClassVar = Topic(name, key="courier_id")

    return type(event.__name__, (Place, event), {"__doc__": event.__doc__, "__module__": event.__module__})
