"""What does an event look like on the wire? Its Avro schema, read off the class.

Records have no namespace, so the subject of TopicRecordNameStrategy is `<topic>-<Class>`. A field's unit, if its name ends in
one, stands in the property `unit`. A closed set may only grow if its first symbol is `unknown`: that is its default.
"""

import json
import types
from datetime import datetime
from decimal import Decimal
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from schemas.event import Event, fields, unit_of

AVRO = Path(__file__).parent / "avro"

_PRIMITIVES: dict[Any, Any] = {
    str: "string",
    bytes: "bytes",
    bool: "boolean",
    int: "long",
    float: "double",
    datetime: {"type": "long", "logicalType": "timestamp-millis"},
}


class NotAvro(TypeError):
    """A field's type has no place on the wire; says which field and which types do."""


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def _type(annotation: Any, where: str, metadata: tuple[Any, ...] = ()) -> Any:
    if hasattr(annotation, "__metadata__"):
        return _type(_plain(annotation), where, (*metadata, *annotation.__metadata__))
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType) and type(None) in args and len(args) == 2:
        return ["null", _type(next(a for a in args if a is not type(None)), where, metadata)]
    if origin is Literal:
        name = "".join(part.capitalize() for part in where.replace(".", "_").split("_"))
        symbols = {"type": "enum", "name": name, "symbols": list(args)}
        return symbols | ({"default": "unknown"} if args[0] == "unknown" else {})
    if origin is list:
        return {"type": "array", "items": _type(args[0], where)}
    if annotation is Decimal:
        digits = {k: getattr(m, k) for m in metadata for k in ("max_digits", "decimal_places") if getattr(m, k, None) is not None}
        return {
            "type": "bytes",
            "logicalType": "decimal",
            "precision": digits.get("max_digits", 18),
            "scale": digits.get("decimal_places", 2),
        }
    if annotation in _PRIMITIVES:
        return _PRIMITIVES[annotation]
    raise NotAvro(
        f"{where}: expected text, bytes, bool, int, float, Decimal, Moment, Literal, list or one of these | None; found {annotation!r}"
    )


def _field(event: type[Event], name: str, info: FieldInfo) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "type": _type(info.annotation, f"{event.__name__}.{name}", tuple(info.metadata))}
    if info.description:
        entry["doc"] = info.description
    if (unit := unit_of(name)) is not None:
        entry["unit"] = unit
    if not info.is_required():
        entry["default"] = info.default
    return entry


def schema(event: type[Event]) -> dict[str, Any]:
    """Return the Avro schema of an event class. Raises NotAvro for a type that has no place on the wire."""
    return {
        "type": "record",
        "name": event.__name__,
        "doc": cleandoc(event.__doc__ or ""),
        "fields": [_field(event, name, info) for name, info in fields(event)],
    }


def render(event: type[Event]) -> str:
    """Return the text of the event's `.avsc` file."""
    return json.dumps(schema(event), indent=2, ensure_ascii=False) + "\n"


def path(event: type[Event]) -> Path:
    """Return where the event's `.avsc` file is kept."""
    return AVRO / f"{event.__name__}.avsc"
