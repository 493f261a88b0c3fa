"""Does an event refuse what is no fact, and do all events of the catalogue keep the promises of the design?"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import avro, catalogue
from schemas.columns.layout import Shape, layout
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted, WeatherObserved
from schemas.event import EARLIEST, LATEST, Event, Topic, fields
from schemas.rendering import every_event
from tests.builders import build

FIRST, LAST = (each.replace(tzinfo=None) for each in (EARLIEST + timedelta(days=1), LATEST - timedelta(days=2)))
ALL = pytest.mark.parametrize("event", every_event(), ids=lambda event: event.__name__)


@given(at=st.datetimes(FIRST, LAST, timezones=st.timezones()))
def test_a_moment_is_kept_in_utc_and_whole_milliseconds(at: datetime) -> None:
    kept = build(WeatherObserved, at=at).at

    assert kept.tzinfo is UTC
    assert kept.microsecond % 1000 == 0
    assert timedelta() <= at - kept < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2013, 1, 1),  # noqa: DTZ001  # naive is the point
        EARLIEST - timedelta(milliseconds=1),
        LATEST,
        datetime(2100, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_a_moment_without_a_zone_or_outside_the_century_is_refused(at: datetime) -> None:
    with pytest.raises(ValidationError, match="at\n"):
        build(WeatherObserved, at=at)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("depot_id", ""),
        ("depot_id", "é" * 101),
        ("distance_km", float("nan")),
        ("distance_km", -1),
        ("items", 1.5),
        ("colour", "red"),
    ],
)
def test_an_impossible_field_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        build(AssignmentAccepted, **{field: value})


def test_an_event_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(build(WeatherObserved), "depot_id", "another")  # noqa: B010  # mypy would refuse the plain form, as it should


@ALL
def test_every_field_and_every_class_says_what_it_means(event: type[Event]) -> None:
    assert event.__doc__
    assert [name for name, info in fields(event) if not info.description] == []


@ALL
def test_every_event_travels_as_columns_without_objects(event: type[Event]) -> None:
    assert [name for name, field in layout(event).fields.items() if field.shape is Shape.OBJECT] == []


@ALL
def test_a_closed_set_may_grow_because_its_first_word_is_unknown(event: type[Event]) -> None:
    for name, info in fields(event):
        if get_origin(info.annotation) is Literal:
            assert get_args(info.annotation)[0] == "unknown", name


@pytest.mark.parametrize("topic", catalogue.topics().values(), ids=lambda topic: topic.name)
def test_a_topic_is_named_domain_stream_and_version(topic: Topic) -> None:
    assert re.fullmatch(r"([a-z]+(-[a-z]+)*\.)?[a-z]+(-[a-z]+)*\.v[1-9][0-9]*", topic.name)
    assert all(topic.key in event.model_fields for event in catalogue.holds(topic) if event is not Control)


def test_control_records_lie_in_every_topic_of_facts_and_in_no_other() -> None:
    for topic in catalogue.topics().values():
        assert (Control in catalogue.holds(topic)) == topic.facts


def test_a_subject_is_the_topic_and_the_record() -> None:
    assert catalogue.subjects()["dispatch.assignments.v1-Control"] == (ASSIGNMENTS, Control)


def test_a_unit_stands_beside_the_field_it_belongs_to() -> None:
    units = {entry["name"]: entry.get("unit") for entry in avro.schema(AssignmentAccepted)["fields"]}

    assert units["distance_km"] == "km"
    assert units["lateness_s"] == "s"
    assert units["depot_id"] is None


def test_a_type_that_has_no_place_on_the_wire_is_named() -> None:
    class Odd(Event):
        """It holds what cannot travel."""

        parts: dict[str, int]

    with pytest.raises(avro.NotAvro, match=r"Odd.parts: expected text.*found dict"):
        avro.schema(Odd)
