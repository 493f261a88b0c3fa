"""Do columns become the very bytes that Postgres' binary COPY wants? An oracle reads them back, field by field."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers import copying
from consumers.tables import HISTORY
from schemas.columns import Columns
from schemas.columns.arrays import Bytes
from schemas.columns.layout import Shape
from schemas.control import Control
from schemas.dispatch import DelayPredicted
from schemas.event import Event
from tests.builders import build, events, many
from tests.unit.consumers.test_tables import Everything

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def read_rows(data: bytes) -> Iterator[list[bytes | None]]:
    """Yield the fields of each row, None for null."""
    at = 0
    while at < len(data):
        (count,) = struct.unpack_from("!h", data, at)
        at += 2
        row: list[bytes | None] = []
        for _ in range(count):
            (size,) = struct.unpack_from("!i", data, at)
            at += 4
            row.append(None if size < 0 else data[at : at + size])
            at += max(size, 0)
        yield row


def read_array(raw: bytes) -> list[bytes]:
    """Return the elements of an array of one dimension, or of none."""
    dimensions, flags, _kind = struct.unpack_from("!iii", raw)
    assert flags == 0
    if dimensions == 0:
        assert len(raw) == 12
        return []
    length, lower = struct.unpack_from("!ii", raw, 12)
    assert (dimensions, lower) == (1, 1)
    found, at = [], 20
    for _ in range(length):
        (size,) = struct.unpack_from("!i", raw, at)
        found.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    assert at == len(raw)
    return found


def plain(shape: Shape, raw: bytes, scale: int) -> Any:
    """Return a field as a Python value."""
    match shape:
        case Shape.TEXT | Shape.SYMBOL:
            return raw.decode()
        case Shape.BYTES:
            return raw
        case Shape.FLOAT:
            return struct.unpack("!d", raw)[0]
        case Shape.INT:
            return struct.unpack("!q", raw)[0]
        case Shape.DECIMAL:
            return Decimal(struct.unpack("!q", raw)[0]).scaleb(-scale)
        case Shape.BOOL:
            return raw == b"\x01"
        case Shape.MOMENT:
            return EPOCH + timedelta(microseconds=struct.unpack("!q", raw)[0])
        case Shape.FLOATS:
            return [struct.unpack("!d", each)[0] for each in read_array(raw)]
        case Shape.INTS:
            return [struct.unpack("!q", each)[0] for each in read_array(raw)]
        case Shape.OBJECT:
            return [each.decode() for each in read_array(raw)]


def place(n: int) -> copying.Place:
    """Return a place for n rows."""
    numbers = np.arange(n)
    return copying.Place("dispatch.test.v1", (numbers % 3).astype(np.int32), numbers + 7, numbers + 1_700_000_000_000)


def read_back(columns: Columns[Any], data: Bytes) -> list[list[Any]]:
    """Return the event's own fields of every row as Python values."""
    fields = list(columns.layout.fields.values())
    return [
        [None if raw is None else plain(field.shape, raw, field.scale) for field, raw in zip(fields, row, strict=False)]
        for row in read_rows(data.tobytes())
    ]


@pytest.mark.parametrize("event", [*HISTORY, Everything])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_copied_is_what_the_events_say(event: type[Event], data: st.DataObject) -> None:
    said = data.draw(st.lists(events(event), min_size=1, max_size=5))
    columns = Columns.of(said)

    copied = copying.rows(columns, place(len(said)))

    assert read_back(columns, copied) == [[getattr(one, name) for name in event.model_fields] for one in said]


def test_the_place_in_the_log_follows_the_fields() -> None:
    columns = Columns.of(many(DelayPredicted, 4))

    *_, last = read_rows(copying.rows(columns, place(4)).tobytes())

    partition, offset, appended_at = last[-3:]
    assert partition == struct.pack("!i", 0)
    assert offset == struct.pack("!q", 10)
    assert plain(Shape.MOMENT, appended_at or b"", 0) == datetime.fromtimestamp(1_700_000_000.003, UTC)


def test_a_copied_record_says_which_log_it_lies_in() -> None:
    (row,) = read_rows(copying.rows(Columns.of([build(Control)]), place(1)).tobytes())

    assert row[-4] == b"dispatch.test.v1"


def test_no_rows_are_no_bytes() -> None:
    assert len(copying.rows(Columns.empty(DelayPredicted), place(0))) == 0


def test_rows_of_a_part_of_a_batch_are_those_of_the_part_alone() -> None:
    whole = Columns.of(many(DelayPredicted, 6, features=lambda i: [float(i)] * i, delay_s=lambda i: None if i % 2 else 1.0))

    part = copying.rows(whole.take([4, 1]), place(2))

    assert part.tobytes() == copying.rows(Columns.of(list(whole.take([4, 1]).rows())), place(2)).tobytes()


def test_a_text_with_nul_is_unfit_and_its_neighbours_are_not() -> None:
    columns = Columns.of(many(DelayPredicted, 4, model=lambda i: "a\0b" if i == 2 else "ab"))

    assert copying.unfit(columns).tolist() == [False, False, True, False]


def test_a_list_of_texts_with_nul_is_unfit() -> None:
    columns = Columns.of([build(Everything, texts=["fine"]), build(Everything, texts=["fine", "n\0t"])])

    assert copying.unfit(columns).tolist() == [False, True]
