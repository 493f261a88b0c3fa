"""Where do decoded fields lie? In four arrays per kind (floats, longs, lengths, bytes), of which each column is a stretch."""

from functools import cache
from typing import Any

import numpy as np

from schemas.columns.arrays import Bytes, Int64s
from schemas.columns.columns import Columns
from schemas.columns.layout import FieldLayout, Shape, layout
from schemas.columns.nullable import Column, Nullable
from schemas.columns.ragged import Ragged
from schemas.columns.slots import slots
from schemas.columns.strings import Strings
from schemas.columns.values import of_plain
from schemas.event import Event

_PLACES = (Shape.TEXT, Shape.BYTES, Shape.FLOATS, Shape.INTS)


class Stores:
    """The columns of up to `room` events of one class, not filled."""

    def __init__(self, event: type[Event], room: int) -> None:
        self.event, self.room, self.slots = event, room, slots(event)
        floats, longs, lengths, octets = self.slots.sizes
        self.floats, self.longs = np.empty(floats * room, np.float64), np.empty(longs * room, np.int64)
        self.lengths, self.octets = np.empty(lengths * room, np.int32), np.empty(octets * room, np.uint8)

    def fill(self, field: FieldLayout, rows: Int64s, lies_at: int) -> None:
        """Give rows the default of a field. lies_at: where its text or its numbers lie."""
        one = default_column(self.event, field.name)
        main = self.slots.main[field.name] * self.room + rows
        if isinstance(one, Nullable):
            self.octets[self.slots.valid[field.name] * self.room + rows] = one.valid[0]
            one = one.values
        if isinstance(one, Strings | Ragged):
            self.longs[main] = lies_at
            size = one.length[0] if isinstance(one, Strings) else one.count[0]
            self.lengths[self.slots.length[field.name] * self.room + rows] = size
        elif field.shape is Shape.FLOAT:
            self.floats[main] = one[0]
        elif field.shape in (Shape.BOOL, Shape.SYMBOL):
            self.octets[main] = one[0]
        else:
            self.longs[main] = one[0]

    def columns(self, n: int, data: Bytes, values: Any) -> Columns[Any]:
        """Return the first n rows as columns. data: what texts lie in; values: what lists lie in."""
        fields: dict[str, Column] = {}
        for name, field in layout(self.event).fields.items():
            if field.shape is Shape.OBJECT:
                continue
            start = self.slots.main[name] * self.room
            made: Any
            if field.shape is Shape.FLOAT:
                made = self.floats[start : start + n]
            elif field.shape is Shape.BOOL:
                made = self.octets[start : start + n].view(np.bool_)
            elif field.shape is Shape.SYMBOL:
                made = self.octets[start : start + n]
            else:
                made = self.longs[start : start + n]
                if field.shape in _PLACES:
                    size = self.slots.length[name] * self.room
                    lengths = self.lengths[size : size + n]
                    if field.shape in (Shape.TEXT, Shape.BYTES):
                        made = Strings(data, made, lengths)
                    else:
                        made = Ragged(values if field.shape is Shape.FLOATS else values.view(np.int64), made, lengths)
            if field.nullable:
                valid = self.slots.valid[name] * self.room
                made = Nullable(made, self.octets[valid : valid + n].view(np.bool_))
            fields[name] = made
        return Columns.trusted(self.event, n, fields)


@cache
def default_column(event: type[Event], name: str) -> Any:
    """Return the default of a field as a column of one."""
    return of_plain(layout(event).fields[name], [event.model_fields[name].get_default(call_default_factory=True)])


@cache
def empty(event: type[Event]) -> Columns[Any]:
    """Return the columns of no event of a class; there is one per class."""
    return Columns.empty(event)
