"""What must hold of the tables that are read off the event classes?"""

from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from sqlalchemy.dialects import postgresql

from consumers.tables import HISTORY, docs, name_of, sql_type
from schemas import catalogue
from schemas.columns.layout import layout
from schemas.control import Control
from schemas.dispatch import AssignmentAccepted, DelayPredicted
from schemas.event import Event, Id, Moment


class Everything(Event):
    """Every kind of field. Without a topic it is in no catalogue."""

    text: Id
    raw: bytes
    number: float
    whole: int
    flag: bool
    moment: Moment
    symbol: Literal["unknown", "one"]
    money: Annotated[Decimal, Field(max_digits=16, decimal_places=4)]
    numbers: list[float]
    wholes: list[int]
    texts: list[str]
    maybe: float | None


def _type(event: type[Event], name: str) -> str:
    dialect: Any = postgresql.dialect  # SQLAlchemy leaves it untyped
    return str(sql_type(layout(event).fields[name]).compile(dialect()))


def test_every_class_of_the_catalogue_has_a_history_table() -> None:
    expected = {event for topic in catalogue.topics().values() for event in catalogue.holds(topic)}

    assert expected <= set(HISTORY)
    assert HISTORY[AssignmentAccepted].name == "assignment_accepted" == name_of(AssignmentAccepted)


def test_a_table_has_the_fields_of_its_class_and_then_the_place_in_the_log() -> None:
    names = [column.name for column in HISTORY[DelayPredicted].columns]

    assert names == [*DelayPredicted.model_fields, "kafka_partition", "kafka_offset", "appended_at"]


def test_only_optional_fields_may_be_null() -> None:
    nullable = {column.name for column in HISTORY[DelayPredicted].columns if column.nullable}

    assert nullable == {"delay_s", "low_s", "high_s", "baseline_s"}


def test_rows_are_told_apart_by_id_and_time_and_a_copied_record_also_by_its_log() -> None:
    def keys(event: type[Event]) -> set[str]:
        return {column.name for column in HISTORY[event].primary_key}

    assert keys(DelayPredicted) == {"event_id", "at"}
    assert keys(Control) == {"event_id", "at", "kafka_topic", "kafka_partition"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text", "TEXT"),
        ("raw", "BYTEA"),
        ("number", "DOUBLE PRECISION"),
        ("whole", "BIGINT"),
        ("flag", "BOOLEAN"),
        ("moment", "TIMESTAMP WITH TIME ZONE"),
        ("symbol", "TEXT"),
        ("money", "NUMERIC(16, 4)"),
        ("numbers", "DOUBLE PRECISION[]"),
        ("wholes", "BIGINT[]"),
        ("texts", "TEXT[]"),
        ("maybe", "DOUBLE PRECISION"),
    ],
)
def test_each_kind_of_field_has_its_column_type(name: str, expected: str) -> None:
    assert _type(Everything, name) == expected


def test_a_field_no_table_can_keep_is_named() -> None:
    class Nested(Event):
        """A list of lists."""

        deep: list[list[float]]

    with pytest.raises(TypeError, match="field deep"):
        sql_type(layout(Nested).fields["deep"])


def test_what_the_class_says_of_a_field_is_said_of_its_column_with_the_unit() -> None:
    said = {(table, column): text for table, column, text in docs()}

    assert said["assignment_accepted", "distance_km"] == "Length of the way. [km]"
    assert said["delay_predicted", None].startswith("How late we expect")
    assert all(said.values())
