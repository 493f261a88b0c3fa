"""What is wrong with a record, in words? The reason a dead letter carries, and a line with the field, what was expected and found."""

from dataclasses import dataclass

from schemas.columns import opcodes as op
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


_BYTES: dict[int, tuple[Reason, str]] = {
    op.NO_VALUE: ("null", "expected a value, found null"),
    op.NO_BYTES: ("empty", "expected a value, found no bytes"),
    op.TOO_BIG: ("oversized", "expected at most 1000000 bytes, found {whole}"),
    op.NO_FRAME: ("not_framed", "expected a zero byte and a schema id, found {found}"),
    op.NO_SCHEMA: ("unknown_schema", "expected a schema id of the registry, found {schema_id}"),
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
    op.BAD_SYMBOL: ("out_of_range", "expected one of {symbols}; found {found!r}"),
    op.BAD_UTF8: ("bad_text", "expected UTF-8, found other bytes"),
    op.BAD_DIGITS: ("out_of_range", "expected a decimal of at most 18 digits, found {whole} bytes"),
    op.BAD_KEY: ("bad_key", "expected it to be the record's key, {key}; found {found!r}"),
}


def describe_bytes(code: int, field: str | None, whole: int, found: str, schema_id: int) -> tuple[Reason, str]:
    """Return reason and detail of a fault of the bytes. field: where it was found, None if in none."""
    reason, text = _BYTES[code]
    detail = text.format(whole=whole, found=found, schema_id=schema_id)
    return reason, f"field {field}: {detail}" if field else detail


def describe_value(code: int, field: FieldLayout, whole: int, real: float, found: str, key: str) -> tuple[Reason, str]:
    """Return reason and detail of a fault of a value. found: the text or symbol, where there is one; key: the record's key."""
    limits = field.limits
    if code in _VALUES:
        reason, text = _VALUES[code]
        detail = text.format(shape=field.shape.value, symbols=", ".join(field.symbols), found=found, whole=whole, key=key)
    elif code == op.BAD_REAL and (real != real or real in (float("inf"), float("-inf"))):
        reason, detail = "not_finite", f"expected a finite number, found {real}"
    elif code == op.BAD_REAL:
        reason, detail = "out_of_range", f"expected {_span(limits.least, limits.most, 1e308)}, found {real}"
    elif code == op.BAD_SIZE:
        unit = "bytes of UTF-8" if field.shape is Shape.TEXT else "bytes" if field.shape is Shape.BYTES else "items"
        reason = "bad_text" if field.shape is Shape.TEXT else "out_of_range"
        detail = f"expected {limits.low} to {limits.high} {unit}, found {whole}"
    elif field.shape is Shape.MOMENT:
        reason, detail = "bad_time", f"expected a time from {moment(limits.low)} to {moment(limits.high)}, found {_time(whole)}"
    else:
        digits = f" (in units of 1e-{field.scale})" if field.shape is Shape.DECIMAL else ""
        reason, detail = "out_of_range", f"expected {_span(limits.low, limits.high, MOST)}, found {whole}{digits}"
    return reason, f"field {field.name}: {detail}"


def _span(low: float, high: float, most: float) -> str:
    if low <= max(-most, LEAST):
        return f"at most {high}"
    return f"at least {low}" if high >= most else f"{low} to {high}"


def _time(ms: int) -> str:
    try:
        return f"{moment(ms)}"
    except OverflowError:
        return f"{ms} ms"
