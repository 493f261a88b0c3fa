"""What if a schema needs more than a plan can say? Then fastavro reads its records and writes them again as a plan can read them.

Slow (several us a record) and visible: `Plan.fallback` says why, `Reader.take_slow` how often. Fields of our own that have no
column type (lists of texts, say) are kept as Python objects.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import fastavro

from schemas.columns.layout import Layout, Shape
from schemas.columns.plan import Plan, Unplanned, Unresolvable, compile_plan
from schemas.columns.walking import Endless, least_bytes, walk


@dataclass(frozen=True, slots=True)
class Slow:
    """How many records of a schema fastavro had to read, and why."""

    schema_id: int
    event: str
    reason: str
    records: int


@dataclass(frozen=True)
class Transcoder:
    """plan: for the bytes that `transcode` makes. objects: our fields that have no column type."""

    plan: Plan
    objects: tuple[str, ...]
    transcode: Callable[[bytes], tuple[bytes, tuple[Any, ...]]]
    """Avro bytes of the writer -> bytes for the plan, and the values of `objects`. Raises Exception if they cannot be read."""


def transcoder(writer: Mapping[str, Any], layout: Layout, reason: str) -> Transcoder:
    """Return how records of this writer become readable by a plan. Raises Unresolvable where that is not safe or not possible."""
    objects = tuple(name for name, each in layout.fields.items() if each.shape is Shape.OBJECT)
    ours = [entry for entry in layout.schema["fields"] if entry["name"] not in objects]
    logical = {entry["name"]: _logical(entry["type"]) for entry in writer["fields"] if entry["type"] not in ("null", ["null"])}
    middle = [
        entry | {"type": _with(_bare(entry["type"]), logical.get(entry["name"], _logical(entry["type"])))} for entry in ours
    ]
    try:
        plan = compile_plan(dict(layout.schema) | {"fields": middle}, layout, apart=frozenset(objects))
        reader = dict(layout.schema) | {
            "fields": [e if e["name"] in objects else e | {"type": _bare(e["type"])} for e in layout.schema["fields"]]
        }
        written = fastavro.parse_schema(_bare_fields(writer, objects))
        wanted = fastavro.parse_schema(reader)
        bare = fastavro.parse_schema(dict(layout.schema) | {"fields": [e | {"type": _bare(e["type"])} for e in ours]})
        named = cast("dict[str, Any]", fastavro.parse_schema(dict(writer)))
        least_bytes(named)
    except (fastavro.schema.SchemaParseException, fastavro.schema.UnknownType, Unplanned, Endless) as fault:
        raise Unresolvable(f"fastavro cannot read it either: {fault}") from fault
    plan.fallback = reason

    def transcode(raw: bytes) -> tuple[bytes, tuple[Any, ...]]:
        walk(named, raw)
        target = io.BytesIO()
        event: Any = fastavro.schemaless_reader(io.BytesIO(raw), written, wanted)
        fastavro.schemaless_writer(target, bare, event)
        return target.getvalue(), tuple(event[name] for name in objects)

    return Transcoder(plan, objects, transcode)


def _bare(kind: Any) -> Any:
    """Return a type without the logical types in it, so that values pass unchanged."""
    if isinstance(kind, list):
        return [_bare(branch) for branch in kind]
    if isinstance(kind, dict):
        bare = {key: _bare(value) if key in ("type", "items", "values") else value for key, value in kind.items()}
        if "fields" in kind:
            bare["fields"] = [entry | {"type": _bare(entry["type"])} for entry in kind["fields"]]
        return {key: value for key, value in bare.items() if key not in ("logicalType", "precision", "scale")}
    return kind


def _bare_fields(writer: Mapping[str, Any], objects: tuple[str, ...]) -> dict[str, Any]:
    fields = [e if e["name"] in objects else e | {"type": _bare(e["type"])} for e in writer["fields"]]
    return dict(writer) | {"fields": fields}


def _logical(kind: Any) -> dict[str, Any]:
    """Return what the (only) logical type inside a type says, {} if there is none."""
    for branch in kind if isinstance(kind, list) else [kind]:
        if isinstance(branch, dict) and "logicalType" in branch:
            return {key: branch[key] for key in ("logicalType", "precision", "scale") if key in branch}
    return {}


def _with(kind: Any, logical: dict[str, Any]) -> Any:
    if not logical:
        return kind
    if isinstance(kind, list):
        return [branch if branch == "null" else _with(branch, logical) for branch in kind]
    return (kind if isinstance(kind, dict) else {"type": kind}) | logical
