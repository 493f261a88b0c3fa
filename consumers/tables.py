"""What does an event look like at rest? One SQL table a class, its columns read off the class.

A history table is partitioned by day of `at`, so its key is (event_id, at). Beside the event's own fields a row says where it
stands in the log. A class that is copied into several logs (`Control`) is kept once for each of them: its place is what it means.
"""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

from schemas import catalogue
from schemas.columns.layout import FieldLayout, Shape, layout
from schemas.event import Event

METADATA = MetaData()

LOOKUPS = ("assignment_id",)
"""Fields by which people look up a life: an event that has one gets an index on it."""

MOMENT = DateTime(timezone=True)
_TYPES: dict[Shape, TypeEngine[Any]] = {
    Shape.TEXT: Text(),
    Shape.BYTES: LargeBinary(),
    Shape.FLOAT: Double(),
    Shape.INT: BigInteger(),
    Shape.BOOL: Boolean(),
    Shape.MOMENT: MOMENT,
    Shape.SYMBOL: Text(),
    Shape.FLOATS: ARRAY(Double()),
    Shape.INTS: ARRAY(BigInteger()),
}
TEXTS = {"type": "array", "items": "string"}
"""Avro's type of a list of texts, which columns keep as Python objects."""


def name_of(event: type[Event]) -> str:
    """Return the name of the event's table.

    >>> from schemas.dispatch import DelayPredicted
    >>> name_of(DelayPredicted)
    'delay_predicted'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", event.__name__).lower()


def sql_type(field: FieldLayout) -> TypeEngine[Any]:
    """Return the SQL type of a field. Raises TypeError naming a field that has none."""
    if field.shape is Shape.DECIMAL:
        return Numeric(field.avro["precision"], field.scale)
    if field.shape is Shape.OBJECT and field.avro == TEXTS:
        return ARRAY(Text())
    if field.shape is Shape.OBJECT:
        raise TypeError(f"field {field.name}: expected a type that a table can keep, found Avro's {field.avro!r}")
    return _TYPES[field.shape]


def is_copied(event: type[Event]) -> bool:
    """Return whether the event has no topic of its own, but lies in several."""
    return "topic" not in event.__dict__


PLACE = ("kafka_partition", "kafka_offset", "appended_at")
"""Where in the log a row stands, and when the log took it."""


def _columns(event: type[Event]) -> Iterator[Column[Any]]:
    docs = {entry["name"]: entry for entry in layout(event).schema["fields"]}
    for name, field in layout(event).fields.items():
        unit = f" [{docs[name]['unit']}]" if "unit" in docs[name] else ""
        yield Column(
            name,
            sql_type(field),
            primary_key=name in ("event_id", "at"),
            nullable=field.nullable,
            info={"doc": docs[name].get("doc", "") + unit},
        )
    copied = is_copied(event)
    if copied:
        yield Column("kafka_topic", Text(), primary_key=True, info={"doc": "Log this copy lies in."})
    said = {"doc": "Partition of the log."}
    yield Column("kafka_partition", Integer(), primary_key=copied, autoincrement=False, nullable=False, info=said)
    yield Column("kafka_offset", BigInteger(), nullable=False, info={"doc": "Offset in the partition."})
    yield Column("appended_at", MOMENT, nullable=False, info={"doc": "When the log took it."})


def history(event: type[Event]) -> Table:
    """Return the history table of an event class."""
    name = name_of(event)
    if name in METADATA.tables:
        return METADATA.tables[name]
    columns = list(_columns(event))
    looked_up = [Index(f"{name}_{column.name}", column.name) for column in columns if column.name in LOOKUPS]
    return Table(name, METADATA, *columns, *looked_up, postgresql_partition_by="RANGE (at)")


def kept() -> tuple[type[Event], ...]:
    """Return every class of the catalogue: each has a history table."""
    found = {event.__name__: event for topic in catalogue.topics().values() for event in catalogue.holds(topic)}
    return tuple(found.values())


OFFSETS = Table(
    "sink_offsets",
    METADATA,
    Column("sink", Text(), primary_key=True, info={"doc": "Consumer group."}),
    Column("topic", Text(), primary_key=True, info={"doc": "What it reads."}),
    Column("partition", Integer(), primary_key=True, autoincrement=False, info={"doc": "Of the topic."}),
    Column("next_offset", BigInteger(), nullable=False, info={"doc": "Everything before it is in this database."}),
)

LETTERS = Table(
    "sink_letters",
    METADATA,
    Column("kafka_topic", Text(), primary_key=True, info={"doc": "Where the record stands."}),
    Column("kafka_partition", Integer(), primary_key=True, autoincrement=False, info={"doc": "Partition of the log."}),
    Column("kafka_offset", BigInteger(), primary_key=True, autoincrement=False, info={"doc": "Offset in the partition."}),
    Column("appended_at", MOMENT, nullable=False, info={"doc": "When the log took it."}),
    Column("reason", Text(), nullable=False, info={"doc": "Kind of fault, as in dead letters."}),
    Column("detail", Text(), nullable=False, info={"doc": "What was expected and what was found."}),
    Column("schema_id", Integer(), info={"doc": "Schema id on the record, if it had one."}),
    Column("raw_key", LargeBinary(), info={"doc": "The record's key, raw."}),
    Column("raw_value", LargeBinary(), info={"doc": "The record's value, raw."}),
)

HISTORY = {event: history(event) for event in kept()}
"""Every history table by its event class."""


_SAID = {
    OFFSETS: "How far each sink has written; moves in the transaction that writes the rows.",
    LETTERS: "Records that a sink could not keep as an event.",
}


def docs() -> Iterator[tuple[str, str | None, str]]:
    """Yield what is said about each table and column: (table, column or None, text). The classes say it; migrations do not."""
    said = _SAID | {table: layout(event).schema["doc"].splitlines()[0] for event, table in HISTORY.items()}
    for table, text in said.items():
        yield table.name, None, text
        for column in table.columns:
            yield table.name, column.name, column.info.get("doc", "")
