"""What can still be read of a broken record? Every field up to the one at fault, and which one that is."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import fastavro

from schemas.columns.framing import FRAME
from schemas.columns.walking import Endless, Malformed, least_bytes, stretches


@dataclass(frozen=True, slots=True)
class Salvage:
    """What the bytes say, read by one schema.

    broken: the first field that could not be read, and why; unread: the others that could not be; left: bytes over.
    """

    event: str
    fields: Mapping[str, Any]
    broken: str | None = None
    why: str = ""
    unread: tuple[str, ...] = ()
    left: int = 0

    @property
    def whole(self) -> bool:
        """Return whether the bytes are one record of the schema, to the last."""
        return self.broken is None and self.left == 0

    @property
    def event_id(self) -> str | None:
        """Return the id that the record carries, None if it cannot be read."""
        found = self.fields.get("event_id")
        return found if isinstance(found, str) and 0 < len(found.encode()) <= 200 else None


def framed(value: bytes | None) -> tuple[int, bytes] | None:
    """Return the schema id and the Avro bytes of a value, None if it is not framed.

    >>> framed(bytes([0, 0, 0, 0, 7, 2])), framed(b"{}")
    ((7, b'\\x02'), None)
    """
    if value is None or len(value) < FRAME or value[0] != 0:
        return None
    return int.from_bytes(value[1:FRAME], "big"), value[FRAME:]


def salvage(schema: Mapping[str, Any], body: bytes) -> Salvage:
    """Read what can be read of Avro bytes. Raises Endless for a schema that a few bytes could make endless."""
    kinds = {entry["name"]: entry["type"] for entry in schema["fields"]}
    least_bytes(fastavro.parse_schema(dict(schema)))
    fields: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    end, named, unread = 0, _named(schema), list(kinds)
    try:
        for name, start, stop in stretches(schema, body):
            unread.remove(name)
            end = stop
            try:
                fields[name] = _value(_inlined(kinds[name], named, set()), body[start:stop])
            except (ValueError, OverflowError, EOFError) as fault:  # its length is right, so what follows can be read
                wrong.append((name, _short(fault)))
    except Malformed as fault:
        wrong.append((unread.pop(0), str(fault)))
    broken, why = wrong[0] if wrong else (None, "")
    return Salvage(schema["name"], fields, broken, why, (*(name for name, _ in wrong[1:]), *unread), len(body) - end)


def _value(kind: Any, raw: bytes) -> Any:
    one = fastavro.parse_schema({"type": "record", "name": "OneField", "fields": [{"name": "value", "type": kind}]})
    read: Any = fastavro.schemaless_reader(io.BytesIO(raw), one, None)
    return read["value"]


def _short(fault: Exception) -> str:
    return (
        "expected UTF-8, found other bytes" if isinstance(fault, UnicodeDecodeError) else f"{type(fault).__name__}: {fault}"[:200]
    )


def _named(kind: Any) -> dict[str, Any]:
    """Return every named type that is defined inside a type, by its name."""
    found: dict[str, Any] = {}
    if isinstance(kind, list):
        for branch in kind:
            found |= _named(branch)
    elif isinstance(kind, Mapping):
        if "name" in kind and kind.get("type") in ("record", "error", "enum", "fixed"):
            found[kind["name"]] = kind
        for part in ("type", "items", "values"):
            if not isinstance(kind.get(part), str):
                found |= _named(kind.get(part))
        for entry in kind.get("fields", ()):
            found |= _named(entry["type"])
    return found


def _inlined(kind: Any, named: Mapping[str, Any], told: set[str]) -> Any:
    """Return a type that stands alone: the first mention of a named type becomes its definition."""
    if isinstance(kind, str):
        return _inlined(named[kind], named, told) if kind in named and kind not in told else kind
    if isinstance(kind, list):
        return [_inlined(branch, named, told) for branch in kind]
    made = dict(kind)
    if "name" in kind:
        told.add(kind["name"])
    if "fields" in kind:
        return made | {"fields": [entry | {"type": _inlined(entry["type"], named, told)} for entry in kind["fields"]]}
    return made | {part: _inlined(kind[part], named, told) for part in ("items", "values") if part in kind}


def plain(value: Any) -> Any:
    """Return a value as JSON can say it: moments as ISO 8601, bytes as hex, decimals and what is not finite as text.

    >>> plain([float("nan"), b"\\x01", Decimal("1.50"), datetime.fromisoformat("2013-01-01T00:00:00Z")])
    ['nan', '01', '1.50', '2013-01-01T00:00:00Z']
    """
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


__all__ = ["Endless", "Salvage", "framed", "plain", "salvage"]
