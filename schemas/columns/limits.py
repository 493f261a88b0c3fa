"""Which values may a field have? The bounds that its annotation states, as the kernels check them."""

import math
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import AfterValidator, AllowInfNan
from pydantic.fields import FieldInfo

from schemas import event as words
from schemas.event import EARLIEST, LATEST, OrUnknown, Utf8

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAST, MOST = -(2**63), 2**63 - 1


def millis(moment: datetime) -> int:
    """Return a moment as milliseconds since 1970.

    >>> millis(datetime(2000, 1, 1, tzinfo=UTC))
    946684800000
    """
    return (moment - EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True)
class Limits:
    """low, high: inclusive, of a whole number, a time (ms), unscaled decimal digits, a symbol's code, a text's bytes or a list's
    length. least, most: inclusive, of a float or of each number in a list. unknown: whether nan may stand for a number
    of a list that is not known."""

    low: int = LEAST
    high: int = MOST
    least: float = -sys.float_info.max
    most: float = sys.float_info.max
    unknown: bool = False


def _flat(metadata: Any) -> Iterator[Any]:
    for rule in metadata:
        if isinstance(rule, FieldInfo):
            yield from _flat(rule.metadata)
        else:
            yield rule


def _open(annotation: Any, metadata: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Return the annotation without `Annotated` and `| None`, and every rule found on the way."""
    if hasattr(annotation, "__metadata__"):
        return _open(get_args(annotation)[0], (*_flat(annotation.__metadata__), *metadata))
    args = get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType) and type(None) in args:
        return _open(next(a for a in args if a is not type(None)), metadata)
    return annotation, tuple(_flat(metadata))


def _known(rule: Any) -> bool:
    if isinstance(rule, AfterValidator):
        return isinstance(rule.func, Utf8 | OrUnknown) or rule.func is words._moment
    digits = hasattr(rule, "max_digits") or hasattr(rule, "decimal_places")
    return digits or isinstance(rule, Ge | Gt | Le | Lt | MinLen | MaxLen | Utf8 | OrUnknown | AllowInfNan)


def _whole(rules: tuple[Any, ...], scale: int) -> tuple[int, int]:
    low, high = LEAST, MOST
    for rule in rules:
        if isinstance(rule, Ge):
            low = max(low, math.ceil(Decimal(rule.ge) * 10**scale))  # type: ignore[arg-type]  # a number, by pydantic
        elif isinstance(rule, Gt):
            low = max(low, math.floor(Decimal(rule.gt) * 10**scale) + 1)  # type: ignore[arg-type]  # a number, by pydantic
        elif isinstance(rule, Le):
            high = min(high, math.floor(Decimal(rule.le) * 10**scale))  # type: ignore[arg-type]  # a number, by pydantic
        elif isinstance(rule, Lt):
            high = min(high, math.ceil(Decimal(rule.lt) * 10**scale) - 1)  # type: ignore[arg-type]  # a number, by pydantic
    return low, high


def _real(rules: tuple[Any, ...]) -> tuple[float, float]:
    least, most = -sys.float_info.max, sys.float_info.max
    for rule in rules:
        if isinstance(rule, Ge):
            least = max(least, float(rule.ge))  # type: ignore[arg-type]  # a number, by pydantic
        elif isinstance(rule, Gt):
            least = max(least, math.nextafter(float(rule.gt), math.inf))  # type: ignore[arg-type]  # a number, by pydantic
        elif isinstance(rule, Le):
            most = min(most, float(rule.le))  # type: ignore[arg-type]  # a number, by pydantic
        elif isinstance(rule, Lt):
            most = min(most, math.nextafter(float(rule.lt), -math.inf))  # type: ignore[arg-type]  # a number, by pydantic
    return least, most


def limits(annotation: Any, metadata: tuple[Any, ...], where: str, avro: Mapping[str, Any]) -> Limits:
    """Return the bounds of a field. avro: its named or logical type, {} for a primitive.

    Raises TypeError for a rule that columns cannot check: a rule that holds for one event alone would not hold in a stream.
    """
    plain, rules = _open(annotation, metadata)
    items: tuple[Any, ...] = ()
    if get_origin(plain) is list:
        item, items = _open(get_args(plain)[0], ())
        plain = list[item]  # type: ignore[valid-type]  # only compared below
    for rule in (*rules, *items):
        if not _known(rule):
            raise TypeError(f"{where}: columns cannot check {rule!r}; state bounds, Utf8, or leave it to a step")
    if plain is str or plain is bytes:
        sizes = [rule for rule in rules if isinstance(rule, Utf8)]
        return Limits(max([0, *(s.min_bytes for s in sizes)]), min([2**31 - 1, *(s.max_bytes for s in sizes)]))
    if plain is datetime:
        return Limits(millis(EARLIEST), millis(LATEST) - 1)
    if plain is Decimal:
        low, high = _whole(rules, avro.get("scale", 0))
        digits = 10 ** min(avro.get("precision", 18), 18) - 1
        return Limits(max(low, -digits), min(high, digits))
    if plain is int:
        return Limits(*_whole(rules, 0))
    if plain is float:
        least, most = _real(rules)
        return Limits(least=least, most=most)
    if get_origin(plain) is list:
        short = max([0, *(rule.min_length for rule in rules if isinstance(rule, MinLen))])
        long = min([2**31 - 1, *(rule.max_length for rule in rules if isinstance(rule, MaxLen))])
        if get_args(plain)[0] is int:
            low, high = _whole(items, 0)
            if (low, high) != (LEAST, MOST):
                raise TypeError(f"{where}: columns cannot check the bounds of whole numbers in a list")
        least, most = _real(items)
        unknown = any(isinstance(rule, OrUnknown) for rule in items)
        return Limits(short, long, least, most, unknown)
    return Limits(0, max(len(avro.get("symbols", ())) - 1, 1))
