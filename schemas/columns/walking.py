"""Do these bytes hold a value of this type at all? A walk that reads nothing, for types that no plan knows.

fastavro trusts counts and lengths: compiled, it skips 2**62 items that are not there. So nothing is handed to it before this walk
has reached the record's end.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_FIXED = {"null": 0, "boolean": 1, "float": 4, "double": 8}


class Malformed(ValueError):
    """These bytes are not what the schema says; says where."""


class Endless(ValueError):
    """A few bytes of this type could stand for a value without end; says why."""


def least_bytes(kind: Any, named: dict[str, int] | None = None, inside: frozenset[str] = frozenset()) -> int:
    """Return how few bytes a value can take.

    Raises Endless for records inside themselves and for lists of items that may take no bytes: of those, any count would fit.
    """
    named = {} if named is None else named
    if isinstance(kind, list):
        for branch in kind:
            least_bytes(branch, named, inside)
        return 1
    if isinstance(kind, str):
        if kind in inside:
            raise Endless(f"record {kind} lies inside itself")
        return named.get(kind, _FIXED.get(kind, 1))
    if kind["type"] in ("array", "map"):
        items = kind["items"] if kind["type"] == "array" else kind["values"]
        if least_bytes(items, named, inside) == 0 and kind["type"] == "array":
            raise Endless(f"an array of items that take no bytes, {items}")
        return 1
    if kind["type"] in ("record", "error"):
        within = inside | {kind["name"]}
        least = sum(least_bytes(entry["type"], named, within) for entry in kind["fields"])
    elif kind["type"] == "fixed":
        least = int(kind["size"])
    else:
        return 1 if kind["type"] == "enum" else least_bytes(kind["type"], named, inside)
    named[kind["name"]] = least
    return least


def walk(schema: Mapping[str, Any], raw: bytes) -> None:
    """Return if the bytes are one record of this schema, whole. Raises Malformed, naming the field.

    schema: names are defined before they are used; no record inside itself, no items without bytes.
    """
    walker, pos = _Walker(raw), 0
    for entry in schema["fields"]:
        try:
            pos = walker.value(entry["type"], pos)
        except Malformed as fault:
            raise Malformed(f"field {entry['name']}: {fault}") from None
    if pos != len(raw):
        raise Malformed(f"expected the end of the record, found {len(raw) - pos} more bytes")


def stretches(schema: Mapping[str, Any], raw: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield each field's name and where its bytes begin and end. Raises Malformed at the first that is not there; see `walk`."""
    walker, pos = _Walker(raw), 0
    for entry in schema["fields"]:
        start, pos = pos, walker.value(entry["type"], pos)
        yield entry["name"], start, pos


class _Walker:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.named: dict[str, Any] = {}

    def value(self, kind: Any, pos: int) -> int:
        """Return the position after one value."""
        if isinstance(kind, list):
            branch, pos = self.number(pos)
            if not 0 <= branch < len(kind):
                raise Malformed(f"expected a branch of the union, found {branch}")
            return self.value(kind[branch], pos)
        if isinstance(kind, str):
            return self.value(self.named[kind], pos) if kind in self.named else self.primitive(kind, pos)
        if "name" in kind:
            self.named[kind["name"]] = kind
        named = kind["type"]
        if named == "fixed":
            return self.step(pos, kind["size"])
        if named == "enum":
            index, pos = self.number(pos)
            if not 0 <= index < len(kind["symbols"]):
                raise Malformed(f"expected the index of a symbol, found {index}")
            return pos
        if named in ("array", "map"):
            return self.items(kind, pos)
        if named in ("record", "error"):
            for entry in kind["fields"]:
                pos = self.value(entry["type"], pos)
            return pos
        return self.value(named, pos)

    def items(self, kind: Mapping[str, Any], pos: int) -> int:
        """Return the position after an array or a map."""
        inside = kind["items"] if kind["type"] == "array" else kind["values"]
        while True:
            count, pos = self.number(pos)
            if count == 0:
                return pos
            if count < 0:
                _, pos = self.number(pos)
            if abs(count) > len(self.raw) - pos:
                raise Malformed("expected a count of items that fit into the record")
            for _ in range(abs(count)):
                if kind["type"] == "map":
                    pos = self.primitive("string", pos)
                pos = self.value(inside, pos)

    def primitive(self, kind: str, pos: int) -> int:
        """Return the position after a value of a primitive type."""
        if kind in _FIXED:
            return self.step(pos, _FIXED[kind])
        size, pos = self.number(pos)
        if kind in ("string", "bytes"):
            if size < 0:
                raise Malformed(f"expected a length, found {size}")
            return self.step(pos, size)
        return pos

    def step(self, pos: int, size: int) -> int:
        """Return the position some bytes further on."""
        if pos + size > len(self.raw):
            raise Malformed("the record ends inside this field")
        return pos + size

    def number(self, pos: int) -> tuple[int, int]:
        """Return a variable-length number and the position after it."""
        total = 0
        for k in range(10):
            byte = self.raw[self.step(pos, k + 1) - 1]
            total |= (byte & 127) << (7 * k)
            if byte < 128:
                if total >= 2**64:
                    break
                return (total >> 1) ^ -(total & 1), pos + k + 1
        raise Malformed("expected a number of at most 10 bytes, found a longer one")
