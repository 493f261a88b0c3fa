"""What is wrong with a record, in words? The reason a dead letter carries, and a line with the field, what was expected and found."""

from dataclasses import dataclass

import numpy as np

from schemas.columns import opcodes as op
from schemas.columns.framing import LARGEST
from schemas.columns.layout import FieldLayout, Shape
from schemas.columns.limits import LEAST, MOST
from schemas.columns.values import moment
from schemas.letters import Reason


@dataclass(frozen=True, slots=True)
class Letter:
    """One record that cannot be used. index: its position in the batch. schema_id: None if it has none."""

    index: int
    reason: Reason
    detail: str
    schema_id: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What the kernels noted of a bad record. whole, real: the value, or its size; text: the value, where it is one."""

    fault: int
    schema_id: int
    whole: int
    real: float
    text: str
    key: str


_BYTES: dict[int, tuple[Reason, str]] = {
    op.NO_VALUE: ("null", "expected a value, found null"),
    op.NO_BYTES: ("empty", "expected a value, found no bytes"),
    op.TOO_BIG: ("oversized", "expected at most {largest} bytes, found {whole}"),
    op.NO_FRAME: ("not_framed", "expected a zero byte and a schema id, found {text}"),
    op.NO_SCHEMA: ("unknown_schema", "expected a schema id of the registry, found {schema_id}"),
    op.REFUSED: ("wrong_type", "{text}"),
    op.REJECTED: ("malformed", "{text}"),
    op.CUT_SHORT: ("malformed", "the record ends inside this field"),
    op.BAD_VARINT: ("malformed", "expected a number of at most 10 bytes, found a longer one"),
    op.BAD_INT: ("malformed", "expected a number of 32 bits, found {whole}"),
    op.BAD_LENGTH: ("malformed", "expected a length inside the record, found {whole}"),
    op.BAD_BRANCH: ("malformed", "expected a branch of the union, found {whole}"),
    op.BAD_BOOLEAN: ("malformed", "expected the byte 0 or 1, found {whole}"),
    op.BAD_INDEX: ("malformed", "expected the index of a symbol, found {whole}"),
    op.BAD_COUNT: ("malformed", "expected a count of items that fit into the record"),
    op.TRAILING: ("malformed", "expected the end of the record, found {whole} more bytes"),
}
_VALUES: dict[int, tuple[Reason, str]] = {
    op.BAD_NULL: ("wrong_type", "expected {shape}, found null"),
    op.BAD_SYMBOL: ("out_of_range", "expected one of {symbols}; found {text!r}"),
    op.BAD_UTF8: ("bad_text", "expected UTF-8, found other bytes"),
    op.BAD_DIGITS: ("out_of_range", "expected a decimal of at most 18 digits, found {whole} bytes"),
    op.BAD_KEY: ("bad_key", "expected it to be the record's key, {key}; found {text!r}"),
}


def describe(found: Found, name: str | None, field: FieldLayout | None) -> tuple[Reason, str]:
    """Return reason and detail. name: of the writer's field where it was found, None for none; field: ours of that name."""
    words = {each: getattr(found, each) for each in ("schema_id", "whole", "text", "key")}
    if found.fault in _BYTES:
        reason, text = _BYTES[found.fault]
        detail = text.format(**words, largest=LARGEST)
    elif field is None:
        raise ValueError(f"a fault of a value, {found.fault}, without its field")
    elif found.fault in _VALUES:
        reason, text = _VALUES[found.fault]
        detail = text.format(**words, shape=field.shape.value, symbols=", ".join(field.symbols))
    else:
        reason, detail = _outside(found, field)
    return reason, (f"field {name}: {detail}" if name else detail)[:2_000]


def _outside(found: Found, field: FieldLayout) -> tuple[Reason, str]:
    limits, whole, real = field.limits, found.whole, found.real
    if found.fault == op.BAD_REAL:
        if not np.isfinite(real):
            return "not_finite", f"expected a finite number, found {real}"
        return "out_of_range", f"expected {_span(limits.least, limits.most, 1e308)}, found {real}"
    if found.fault == op.BAD_SIZE:
        unit = {Shape.TEXT: "bytes of UTF-8", Shape.BYTES: "bytes"}.get(field.shape, "items")
        reason: Reason = "bad_text" if field.shape is Shape.TEXT else "out_of_range"
        return reason, f"expected {_span(limits.low, limits.high, 2**31 - 1)} {unit}, found {whole}"
    if field.shape is Shape.MOMENT:
        return "bad_time", f"expected a time from {moment(limits.low)} to {moment(limits.high)}, found {_time(whole)}"
    unit = f" (in units of 1e-{field.scale})" if field.shape is Shape.DECIMAL else ""
    return "out_of_range", f"expected {_span(limits.low, limits.high, MOST)}, found {whole}{unit}"


def _span(low: float, high: float, most: float) -> str:
    if low <= max(-most, LEAST):
        return f"at most {high}"
    return f"at least {low}" if high >= most else f"{low} to {high}"


def _time(ms: int) -> str:
    try:
        return f"{moment(ms)}"
    except OverflowError:
        return f"{ms} ms"
