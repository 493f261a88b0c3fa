"""How is a writer's schema read as our event? By a plan: one row of numbers per field on the wire, made once per schema id.

Resolution is Avro's: fields are matched by name, the writer's others are skipped, ours take their defaults, numbers are promoted,
symbols are matched by name. What the plan has no codes for goes through fastavro first (`transcode.py`), and the plan says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.columns import opcodes as op
from schemas.columns.arrays import Floats, Int64s
from schemas.columns.layout import AT, EVENT_ID, FieldLayout, Layout, Shape
from schemas.columns.limits import LEAST, MOST
from schemas.columns.slots import Slots, slots


class Unplanned(Exception):
    """This needs more than a plan can say; says what."""


class Unresolvable(Exception):
    """No value of this writer's type can be one of ours; says of which field and why."""


_READ = {
    "null": op.NOTHING, "boolean": op.BOOLEAN, "int": op.INT, "long": op.LONG, "float": op.FLOAT, "double": op.DOUBLE,
    "bytes": op.BLOB, "string": op.BLOB, "fixed": op.FIXED, "enum": op.ENUM,
}  # fmt: skip
_ITEMS = {"int": op.INTS, "long": op.LONGS, "float": op.FLOATS, "double": op.DOUBLES}
_STORE = {
    Shape.TEXT: op.TO_TEXT, Shape.BYTES: op.TO_BYTES, Shape.FLOAT: op.TO_FLOAT, Shape.INT: op.TO_LONG, Shape.BOOL: op.TO_BYTE,
    Shape.MOMENT: op.TO_LONG, Shape.SYMBOL: op.TO_BYTE, Shape.DECIMAL: op.TO_DECIMAL, Shape.FLOATS: op.TO_FLOATS,
    Shape.INTS: op.TO_LONGS,
}  # fmt: skip
_FROM = {
    Shape.TEXT: ("string", "bytes"), Shape.BYTES: ("bytes", "string"), Shape.FLOAT: ("double", "float", "long", "int"),
    Shape.INT: ("long", "int"), Shape.BOOL: ("boolean",), Shape.MOMENT: ("long", "int"), Shape.SYMBOL: ("enum",),
    Shape.DECIMAL: ("bytes",), Shape.FLOATS: ("double", "float", "long", "int"), Shape.INTS: ("long", "int"),
}  # fmt: skip
_DIVISORS = {"timestamp-millis": 1, "timestamp-micros": 1_000, "timestamp-nanos": 1_000_000, None: 1}


@dataclass
class Plan:
    """What the kernel does with a record of one schema.

    rows: int64[m, WIDTH]; reals: float64[m, 2], bounds of floats; names: the field of each row; symbols: int64, writer's enum index to
    code, -1 for none; symbol_names: the writer's symbol of each entry; defaults: our fields that the writer does not have.
    fallback: why fastavro must read it first, None if it need not.
    """

    rows: Int64s
    reals: Floats
    names: list[str]
    symbols: Int64s
    symbol_names: list[str]
    defaults: list[FieldLayout]
    fallback: str | None = None


def compile_plan(writer: Mapping[str, Any], layout: Layout, *, apart: frozenset[str] = frozenset()) -> Plan:
    """Return the plan for records of a writer's schema. apart: our fields that something else reads.

    Raises Unplanned or Unresolvable.
    """
    if writer.get("type") != "record":
        raise Unresolvable(f"expected a record, found {writer.get('type')!r}")
    for name, each in layout.fields.items():
        if each.shape is Shape.OBJECT and name not in apart:
            raise Unplanned(f"field {name}: ours is {each.avro}, for which there is no column type")
    return _Compiler(writer, layout).plan()


class _Compiler:
    def __init__(self, writer: Mapping[str, Any], layout: Layout) -> None:
        self.layout, self.slots = layout, slots(layout.event)
        self.named: dict[str, Any] = {}
        self.rows: list[list[int]] = []
        self.reals: list[tuple[float, float]] = []
        self.names: list[str] = []
        self.symbols: list[int] = []
        self.symbol_names: list[str] = []
        self.defaults: list[FieldLayout] = []
        seen = set()
        for entry in writer["fields"]:
            target = layout.fields.get(entry["name"])
            seen.add(entry["name"])
            self._wire(entry["type"], entry["name"], target if target and target.shape is not Shape.OBJECT else None)
        for name, target in layout.fields.items():
            if name not in seen:
                self._default(target)

    def plan(self) -> Plan:
        """Return what was compiled."""
        rows, reals = np.array(self.rows, np.int64).reshape(-1, op.WIDTH), np.array(self.reals, np.float64).reshape(-1, 2)
        return Plan(rows, reals, self.names, np.array(self.symbols, np.int64), self.symbol_names, self.defaults)

    def _row(self, name: str, target: FieldLayout | None, **codes: int) -> None:
        row = [0] * op.WIDTH
        row[op.VALID], row[op.NULL] = -1, -1
        limits = target.limits if target else None
        row[op.LOW], row[op.HIGH] = (limits.low, limits.high) if limits else (LEAST, MOST)
        if target:
            place: Slots = self.slots
            row[op.STORE], row[op.SLOT] = _STORE[target.shape], place.main[name]
            row[op.PLACE], row[op.VALID] = place.length.get(name, 0), place.valid.get(name, -1)
            row[op.FLAGS] = (
                op.IS_ID * (name == EVENT_ID) | op.IS_AT * (name == AT) | op.IS_KEY * (name == self.layout.key)
                | op.UNKNOWN * target.limits.unknown
            )  # fmt: skip
        for code, value in codes.items():
            row[getattr(op, code)] = value
        self.rows.append(row)
        self.reals.append((limits.least, limits.most) if limits else (-np.inf, np.inf))
        self.names.append(name)

    def _wire(self, wire: Any, name: str, target: FieldLayout | None) -> None:
        union: dict[str, int] = {}
        if isinstance(wire, list):
            branches = [branch for branch in wire if self._name(branch) != "null"]
            if len(branches) > 1:
                raise Unplanned(f"field {name}: a union of {len(wire)} types")
            union = {"BRANCHES": len(wire), "NULL": wire.index("null") if "null" in wire else -1}
            wire = branches[0] if branches else "null"
        kind, known = self._name(wire), self._known(wire)
        if kind == "array":
            item = self._name(known["items"])
            if item not in _ITEMS:
                raise Unplanned(f"field {name}: an array of {item}")
            read = _ITEMS[item]
        elif kind in _READ:
            item, read = kind, _READ[kind]
        else:
            raise Unplanned(f"field {name}: a {kind}")
        more: dict[str, int] = {"ARG": known["size"]} if kind == "fixed" else {}
        if kind == "enum":
            more = {"ARG": len(self.symbols), "MORE": len(known["symbols"])}
            self._symbols(known, target)
        if read == op.LONG:
            more = {"ARG": 1}
        if target is not None and kind != "null":
            more |= self._check(known, kind, item, target)
        self._row(name, target, READ=read, **union, **more)

    def _check(self, known: Any, kind: str, item: str, target: FieldLayout) -> dict[str, int]:
        """Raise Unresolvable if the types never meet; return what the row must say besides."""
        lists = target.shape in (Shape.FLOATS, Shape.INTS)
        if (kind == "array") != lists or item not in _FROM[target.shape]:
            found = kind if kind == item else f"{kind} of {item}"
            raise Unresolvable(f"field {target.name}: expected {target.shape.value}, the writer has {found}")
        logical = known.get("logicalType") if isinstance(known, dict) else None
        if target.shape is Shape.MOMENT and kind == "long":
            if logical not in _DIVISORS:
                raise Unresolvable(f"field {target.name}: expected timestamp-millis, the writer has {logical}")
            return {"ARG": _DIVISORS[logical]}
        if target.shape is Shape.DECIMAL and (logical != "decimal" or known.get("scale", 0) != target.scale):
            found = f"a decimal of scale {known.get('scale', 0)}" if logical == "decimal" else "bytes"
            raise Unresolvable(f"field {target.name}: expected a decimal of scale {target.scale}, the writer has {found}")
        if kind == "enum" and _last(known["name"]) != _last(target.avro["name"]):
            raise Unresolvable(f"field {target.name}: expected enum {target.avro['name']}, the writer has enum {known['name']}")
        return {}

    def _symbols(self, known: Mapping[str, Any], target: FieldLayout | None) -> None:
        codes = {symbol: code for code, symbol in enumerate(target.symbols)} if target else {}
        other = codes.get(target.avro.get("default"), -1) if target and target.shape is Shape.SYMBOL else -1
        self.symbols += [codes.get(symbol, other) for symbol in known["symbols"]]
        self.symbol_names += known["symbols"]

    def _default(self, target: FieldLayout) -> None:
        if target.shape is Shape.OBJECT:
            return
        if target.default is None:
            raise Unresolvable(f"field {target.name}: the writer does not have it, and it has no default")
        self.defaults.append(target)

    def _name(self, wire: Any) -> str:
        known = self._known(wire)
        return str(known["type"]) if isinstance(known, dict) else str(known)

    def _known(self, wire: Any) -> Any:
        """Return the definition behind a type, remembering what it names."""
        if isinstance(wire, str):
            return self.named.get(_last(wire), wire)
        if isinstance(wire, dict) and "name" in wire:
            if self.named.setdefault(_last(wire["name"]), wire) is not wire:
                raise Unplanned(f"two types are named {_last(wire['name'])}")
        if isinstance(wire, dict) and isinstance(wire["type"], dict | list):
            return self._known(wire["type"])
        return wire


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]
