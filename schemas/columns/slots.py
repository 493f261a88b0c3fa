"""Where do a kind's columns lie? In four stores (floats, longs, lengths, bytes), each column at a number of its own."""

from dataclasses import dataclass
from functools import cache

from schemas.columns.layout import Shape, layout
from schemas.event import Event

_LONGS = (Shape.INT, Shape.MOMENT, Shape.DECIMAL)
_PLACES = (Shape.TEXT, Shape.BYTES, Shape.FLOATS, Shape.INTS)


@dataclass(frozen=True)
class Slots:
    """main: the field's column among floats (numbers), longs (whole numbers, starts) or bytes (booleans, codes).
    length: its column of lengths. valid: its column of validity, among bytes. sizes: columns in each store."""

    main: dict[str, int]
    length: dict[str, int]
    valid: dict[str, int]
    sizes: tuple[int, int, int, int]


@cache
def slots(event: type[Event]) -> Slots:
    """Return where the columns of an event class lie; a field of shape OBJECT has no place."""
    main, length, valid = {}, {}, {}
    floats = longs = lengths = octets = 0
    for name, each in layout(event).fields.items():
        if each.shape is Shape.OBJECT:
            continue
        if each.shape is Shape.FLOAT:
            main[name], floats = floats, floats + 1
        elif each.shape in _LONGS:
            main[name], longs = longs, longs + 1
        elif each.shape in _PLACES:
            main[name], longs = longs, longs + 1
            length[name], lengths = lengths, lengths + 1
        else:
            main[name], octets = octets, octets + 1
        if each.nullable:
            valid[name], octets = octets, octets + 1
    return Slots(main, length, valid, (floats, longs, lengths, octets))
