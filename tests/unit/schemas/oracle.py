"""What should a reader make of some bytes? fastavro reads them and pydantic checks them: slow, independent, the oracle.

It is fastavro in Python: the compiled one skips the items of an array without looking whether they are there, for ever if the
count is large enough.

Also strategies: event classes of any fields, writers' schemas that grew apart from them, and values of any schema.
"""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

import fastavro
from fastavro import _read_py as patient
from hypothesis import strategies as st
from pydantic import Field, create_model

from schemas import avro
from schemas.columns.transcode import _bare as bare
from schemas.event import Event, Id, Moment, Note

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS_2000, MS_2100 = 946_684_800_000, 4_102_444_800_000
Colour = Literal["unknown", "red", "green"]
Shade = Literal["dark", "light"]

OPEN: Any = Annotated[float, Field(gt=0, lt=1e6)]
ANNOTATIONS: tuple[Any, ...] = (
    str, Id, Note, bytes, bool, int, float, Moment, Colour, Shade, list[float], list[int], Decimal,
    Annotated[float, Field(ge=-10, le=10)], Annotated[int, Field(ge=0, le=1000)],
    "money",
)  # fmt: skip
_DEFAULTS: dict[Any, Any] = {
    str: "old é", Id: "none", Note: "", bool: True, int: -7, float: 2.5, Colour: "green", Shade: "dark", list[float]: [1.5, -2.0],
    list[int]: [3, 2**60],
}  # fmt: skip


@st.composite
def event_classes(draw: st.DrawFn, extra: tuple[Any, ...] = (), kinds: tuple[Any, ...] = (*ANNOTATIONS, OPEN)) -> type[Event]:
    """A class of up to eight fields of any type, some nullable, some with a default."""
    made: dict[str, Any] = {}
    for number, kind in enumerate(draw(st.lists(st.sampled_from([*kinds, *extra]), max_size=8))):
        rules: dict[str, Any] = {}
        if kind == "money":  # inside Annotated[...] | None the digits would not reach the schema
            kind, rules = Decimal, {"max_digits": 9, "decimal_places": 3, "ge": 0}
        how = draw(st.sampled_from(["plain", "nullable", "null by default", "default"]))
        default = _DEFAULTS.get(kind) if not rules and how == "default" else None
        if how == "default" and default is not None:
            made[f"f{number}"] = (kind, Field(default=default, **rules))
        elif how == "null by default":
            made[f"f{number}"] = (kind | None, Field(default=None, **rules))
        else:
            made[f"f{number}"] = (kind | None if how == "nullable" else kind, Field(**rules))
    return create_model("Grown", __base__=Event, **made)


_NARROWER = {"long": ["int"], "double": ["float", "long", "int"], "string": ["bytes"], "bytes": ["string"]}
STRANGE: list[Any] = [
    {"type": "map", "values": "long"}, {"type": "array", "items": "string"}, ["null", "string", "long"],
    {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": ["null", "string"]}]},
]  # fmt: skip
DROPPED: list[Any] = [
    "null", "boolean", "int", "long", "float", "double", "string", "bytes", ["null", "int"], {"type": "array", "items": "double"},
    {"type": "array", "items": "int"}, {"type": "fixed", "name": "Six", "size": 6}, ["string"], {"type": "array", "items": "float"},
    {"type": "enum", "name": "Gone", "symbols": ["a", "b"]}, {"type": "long", "logicalType": "timestamp-micros"},
]  # fmt: skip


@st.composite
def writers(draw: st.DrawFn, event: type[Event], strange: bool = False) -> dict[str, Any]:
    """A schema that might have written for this class: narrower numbers, other symbols, other fields, another order."""
    schema = avro.schema(event)
    fields = []
    for entry in schema["fields"]:
        if "default" in entry and draw(st.booleans()):
            continue
        same = entry["name"] in ("event_id", "at") and draw(st.integers(0, 9)) > 0
        fields.append({"name": entry["name"], "type": entry["type"] if same else draw(_written(entry["type"]))})
    for number, kind in enumerate(draw(st.lists(st.sampled_from(DROPPED), max_size=3, unique_by=str))):
        fields.append({"name": f"gone{number}", "type": kind})
    if strange:
        fields.append({"name": "strange", "type": draw(st.sampled_from(STRANGE))})
    return {"type": "record", "name": schema["name"], "fields": draw(st.permutations(fields))}


@st.composite
def _written(draw: st.DrawFn, kind: Any) -> Any:
    if isinstance(kind, list):
        inside = draw(_written(kind[1]).filter(lambda inside: not isinstance(inside, list)))
        return draw(st.sampled_from([["null", inside], [inside, "null"], inside, "null", [inside]]))
    if draw(st.integers(0, 9)) == 0:
        inside = draw(_written(kind))
        return inside if isinstance(inside, list) else ["null", inside]
    if isinstance(kind, str):
        return draw(st.sampled_from([kind, *_NARROWER.get(kind, [])]))
    if kind["type"] == "array":
        return kind | {"items": draw(_written(kind["items"]).filter(lambda items: isinstance(items, str)))}
    if kind["type"] == "enum":
        symbols = draw(st.permutations([*kind["symbols"], "late"]))
        return {"type": "enum", "name": kind["name"], "symbols": symbols}
    if kind.get("logicalType") == "timestamp-millis":
        return draw(st.sampled_from([kind, {"type": "long", "logicalType": "timestamp-micros"}, "long"]))
    return kind


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an Avro type, as fastavro takes it when logical types are left out; mostly of a usual size."""
    if isinstance(kind, list):
        return st.one_of(*(values(branch) for branch in kind))
    if isinstance(kind, dict):
        logical = kind.get("logicalType")
        if logical and logical.startswith("timestamp"):
            by = 1000 if logical.endswith("micros") else 1
            return st.integers(MS_2000 * by, MS_2100 * by - 1) | st.integers(-(2**63), 2**63 - 1)
        if logical == "decimal":
            return st.integers(-(10**10), 10**10).map(digits) | st.binary(max_size=12)
        if kind["type"] == "array":
            return st.lists(values(kind["items"]), max_size=5)
        if kind["type"] == "map":
            return st.dictionaries(st.text(max_size=3), values(kind["values"]), max_size=3)
        if kind["type"] == "enum":
            return st.sampled_from(kind["symbols"])
        if kind["type"] == "fixed":
            return st.binary(min_size=kind["size"], max_size=kind["size"])
        return st.fixed_dictionaries({entry["name"]: values(entry["type"]) for entry in kind["fields"]})
    return _PRIMITIVES[kind]


def digits(unscaled: int) -> bytes:
    """Return two's complement, sometimes longer than it must be."""
    return unscaled.to_bytes(unscaled.bit_length() // 8 + 1 + abs(unscaled) % 2, "big", signed=True)


_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(0, 100) | st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(0, 100) | st.integers(-(2**63), 2**63 - 1) | st.integers(MS_2000, MS_2100),
    "float": st.floats(width=32) | st.floats(-10, 10, width=32),
    "double": st.floats() | st.floats(-10, 10),
    "string": st.text(max_size=20),
    "bytes": st.binary(max_size=10) | st.text(max_size=10).map(str.encode),
}


def records(schema: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any record of a schema, with a usable id and time more often than not."""
    drawn = {entry["name"]: values(entry["type"]) for entry in schema["fields"]}
    for name, kind in ((entry["name"], entry["type"]) for entry in schema["fields"]):
        plain = _logical(kind).get("type", next((k for k in kind if k != "null"), kind) if isinstance(kind, list) else kind)
        by = 1000 if _logical(kind).get("logicalType") == "timestamp-micros" else 1
        usual = {"event_id": "id-1" if plain == "string" else b"id-1", "at": MS_2000 * by + 1}
        if name in usual:
            drawn[name] = st.one_of([st.just(usual[name])] * 9 + [drawn[name]])
    return st.fixed_dictionaries(drawn)


def good_events(event: type[Event]) -> st.SearchStrategy[Event]:
    """Any event of a class, whatever rules its fields have."""
    schema = avro.schema(event)
    made = records(schema).map(lambda record: read(schema, event, write(schema, record)))
    return made.filter(lambda found: isinstance(found, Event)).map(lambda found: cast("Event", found))


def write(schema: Mapping[str, Any], record: Mapping[str, Any]) -> bytes:
    """Return the record's Avro, by fastavro."""
    target = io.BytesIO()
    fastavro.schemaless_writer(target, fastavro.parse_schema(_raw(schema)), dict(record))
    return target.getvalue()


def framed(avro_bytes: bytes, schema_id: int = 1) -> bytes:
    """Return a record as it lies on a topic."""
    return struct.pack(">bI", 0, schema_id) + avro_bytes


@dataclass(frozen=True)
class Refused:
    """Why the oracle has no event for some bytes."""

    why: str


def read(schema: Mapping[str, Any], event: type[Event], raw: bytes) -> Event | Refused:
    """Return the event that fastavro and pydantic see in a writer's bytes, or why they see none."""
    source, reader = io.BytesIO(raw), avro.schema(event)
    try:
        found: Any = patient.schemaless_reader(source, fastavro.parse_schema(_raw(schema)), fastavro.parse_schema(_raw(reader)))
        if source.tell() != len(raw):
            return Refused("trailing bytes")
        written = {entry["name"]: entry["type"] for entry in schema["fields"]}
        plain = {
            entry["name"]: _plain(entry["type"], written.get(entry["name"], entry["type"]), found[entry["name"]])
            for entry in reader["fields"]
        }
        return event(**plain)
    except Exception as why:  # noqa: BLE001  # whatever it is, there is no event
        return Refused(repr(why))


def _raw(schema: Mapping[str, Any]) -> dict[str, Any]:
    return dict(schema) | {"fields": [entry | {"type": bare(entry["type"])} for entry in schema["fields"]]}


def _logical(kind: Any) -> dict[str, Any]:
    inside = next((k for k in kind if k != "null"), {}) if isinstance(kind, list) else kind
    return inside if isinstance(inside, dict) else {}


def _plain(ours: Any, theirs: Any, value: Any) -> Any:
    ours = _logical(ours)
    if value is None or "logicalType" not in ours:
        return value
    if ours["logicalType"] == "decimal":
        unscaled = int.from_bytes(value, "big", signed=True)
        if abs(unscaled) >= 10 ** ours["precision"]:
            raise ValueError("more digits than the schema's precision")
        return Decimal(unscaled).scaleb(-ours["scale"])
    if _logical(theirs).get("logicalType") == "timestamp-micros":
        value //= 1000
    return EPOCH + timedelta(milliseconds=value)
