"""As which columns is an event class kept? One layout per field, read off its Avro schema and its annotation."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from typing import Any

import numpy as np

from schemas import avro
from schemas.columns.limits import Limits, limits
from schemas.event import Event, fields


class Shape(Enum):
    """What a column of a field consists of."""

    TEXT = "text"
    BYTES = "bytes"
    FLOAT = "number"
    INT = "whole number"
    BOOL = "true or false"
    MOMENT = "time"
    SYMBOL = "one of a closed set"
    DECIMAL = "decimal"
    FLOATS = "list of numbers"
    INTS = "list of whole numbers"
    OBJECT = "anything else"


_DTYPES: dict[Shape, Any] = {
    Shape.FLOAT: np.float64, Shape.INT: np.int64, Shape.BOOL: np.bool_, Shape.MOMENT: np.int64, Shape.SYMBOL: np.uint8,
    Shape.DECIMAL: np.int64,
}  # fmt: skip
_PRIMITIVES = {
    "string": Shape.TEXT, "bytes": Shape.BYTES, "double": Shape.FLOAT, "long": Shape.INT, "boolean": Shape.BOOL,
}  # fmt: skip


@dataclass(frozen=True)
class FieldLayout:
    """One field as a column. symbols: of a closed set, in the order of their codes. scale: decimal places."""

    name: str
    shape: Shape
    nullable: bool
    avro: Any
    limits: Limits
    symbols: tuple[str, ...] = ()
    scale: int = 0
    default: tuple[Any] | None = None

    @cached_property
    def dtype(self) -> np.dtype[Any] | None:
        """Of a column of numbers without nulls; None for texts, lists and anything else."""
        kind = _DTYPES.get(self.shape)
        return None if kind is None else np.dtype(kind)


@dataclass(frozen=True)
class Layout:
    """The columns of an event class. key: the field its records are keyed by, None if any key will do."""

    event: type[Event]
    fields: Mapping[str, FieldLayout]
    schema: Mapping[str, Any]
    key: str | None


def shape_of(schema: Any) -> Shape:
    """Return what a column of a (not nullable) reader's Avro type consists of."""
    if isinstance(schema, str):
        return _PRIMITIVES.get(schema, Shape.OBJECT)
    kind, logical = schema["type"], schema.get("logicalType")
    if kind == "long" and logical == "timestamp-millis":
        return Shape.MOMENT
    if kind == "bytes" and logical == "decimal":
        return Shape.DECIMAL if schema["precision"] <= 18 else Shape.OBJECT
    if kind == "enum":
        return Shape.SYMBOL if len(schema["symbols"]) <= 256 else Shape.OBJECT
    if kind == "array" and schema["items"] in ("double", "long"):
        return Shape.FLOATS if schema["items"] == "double" else Shape.INTS
    return Shape.OBJECT


def _field(entry: Mapping[str, Any], annotation: Any, metadata: tuple[Any, ...], where: str) -> FieldLayout:
    nullable = isinstance(entry["type"], list)
    kind = next(t for t in entry["type"] if t != "null") if nullable else entry["type"]
    shape = shape_of(kind)
    named = kind if isinstance(kind, dict) else {}
    return FieldLayout(
        name=entry["name"],
        shape=shape,
        nullable=nullable,
        avro=kind,
        limits=limits(annotation, metadata, where, named),
        symbols=tuple(named.get("symbols", ())),
        scale=named.get("scale", 0),
        default=(entry["default"],) if "default" in entry else None,
    )


@cache
def layout(event: type[Event]) -> Layout:
    """Return the layout of an event class. Raises TypeError for a rule on a field that columns cannot check."""
    schema = avro.schema(event)
    infos = dict(fields(event))
    made = {
        entry["name"]: _field(
            entry, infos[entry["name"]].annotation, tuple(infos[entry["name"]].metadata), f"{event.__name__}.{entry['name']}"
        )
        for entry in schema["fields"]
    }
    topic = getattr(event, "topic", None)
    key = topic.key if topic is not None else None
    if key is not None and (key not in made or made[key].shape is not Shape.TEXT or made[key].nullable or made[key].default):
        raise TypeError(f"{event.__name__}: expected a text field {key!r}, always there, which its topic is keyed by")
    return Layout(event, made, schema, key)


EVENT_ID, AT = "event_id", "at"
