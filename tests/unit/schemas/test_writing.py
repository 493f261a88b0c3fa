"""Is what we write what fastavro reads, and do we refuse to write what a reader would refuse?"""

import io
import struct
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import avro
from schemas.columns import Columns, Nullable, Reader, Records, Strings, encode
from schemas.dispatch import AssignmentAccepted, DelayPredicted, DriverAvailabilityChanged
from schemas.event import Event
from schemas.rendering import every_event
from tests.builders import build, events, many
from tests.unit.schemas.oracle import event_classes, good_events, read
from tests.unit.schemas.test_reading import TOPIC


@settings(max_examples=200)
@given(data=st.data())
def test_what_is_encoded_is_read_by_fastavro_as_the_same_events(data: st.DataObject) -> None:
    event = data.draw(event_classes(extra=(list[str],)))
    made = data.draw(st.lists(good_events(event), min_size=1, max_size=3))

    written = encode(Columns.of(made), 258)

    for one, raw in zip(made, written.raws(), strict=True):
        assert raw is not None
        assert raw[:5] == struct.pack(">bI", 0, 258)
        assert read(avro.schema(event), event, raw[5:]) == one


@settings(max_examples=200)
@given(data=st.data())
def test_columns_of_events_give_the_events_back(data: st.DataObject) -> None:
    event = data.draw(event_classes(extra=(list[str],)))
    made = data.draw(st.lists(good_events(event), min_size=1, max_size=3))

    columns = Columns.of(made)
    batch = Reader(TOPIC, {3: avro.schema(event)}.get, holds=(event,)).read(
        Records.of(TOPIC.name, 0, [(i, 0, None, raw) for i, raw in enumerate(encode(columns, 3).raws())])
    )

    assert list(columns.rows()) == made
    assert list(batch.rows()) == made
    assert list(Columns.concat([columns, batch[event]]).rows()) == made + made


@pytest.mark.parametrize("event", every_event(), ids=lambda event: event.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_every_event_of_the_catalogue_survives_the_round_trip(event: type[Event], data: st.DataObject) -> None:
    made = data.draw(st.lists(events(event), min_size=1, max_size=4))

    for one, raw in zip(made, encode(Columns.of(made), 1).raws(), strict=True):
        assert read(avro.schema(event), event, (raw or b"")[5:]) == one


@pytest.mark.parametrize("event", every_event(), ids=lambda event: event.__name__)
def test_every_event_of_the_catalogue_has_a_plan_of_its_own(event: type[Event]) -> None:
    plan = Reader(TOPIC, {1: avro.schema(event)}.get, holds=(event,)).plan(1)

    assert plan is not None
    assert plan.fallback is None


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("lateness_s", np.nan, "found nan"),
        ("distance_km", np.inf, "found inf"),
        ("items", -1, "from 0 to 1000000, found -1"),
        ("at", 0, "found 0"),
        ("courier_id", "", "expected 1 to 200 bytes of UTF-8, found 0"),
    ],
)
def test_a_value_no_reader_would_take_is_not_written(field: str, value: Any, says: str) -> None:
    fields = dict(Columns.of(many(AssignmentAccepted, 3)).fields)
    fields[field] = Strings.of(["a", "b", value]) if isinstance(value, str) else _with_last(fields[field], value)

    with pytest.raises(ValueError, match=f"AssignmentAccepted.{field}, row 2: .*{says}"):
        encode(Columns(AssignmentAccepted, fields), 1)


def _with_last(column: Any, value: Any) -> Any:
    changed = column.copy()
    changed[-1] = value
    return changed


def test_bad_numbers_in_a_list_and_codes_of_no_symbol_are_not_written() -> None:
    fields = dict(Columns.of(many(DelayPredicted, 2)).fields)

    with pytest.raises(ValueError, match=r"DelayPredicted.features, row 1: .*inf"):
        encode(Columns(DelayPredicted, fields | {"features": [[1.0], [2.0, float("inf")]]}), 1)
    with pytest.raises(ValueError, match=r"DelayPredicted.rung, row 0: .*found 9"):
        encode(Columns(DelayPredicted, fields | {"rung": np.array([9, 1], np.uint8)}), 1)


def test_what_is_null_is_not_checked_and_reads_as_null() -> None:
    fields = dict(Columns.of(many(DriverAvailabilityChanged, 2)).fields)
    fields["latitude_deg"] = Nullable(np.array([np.nan, 5.0]), np.array([False, True]))

    raws = encode(Columns(DriverAvailabilityChanged, fields), 1).raws()

    found: list[Any] = [
        fastavro.schemaless_reader(io.BytesIO((raw or b"")[5:]), avro.schema(DriverAvailabilityChanged)) for raw in raws
    ]
    assert [each["latitude_deg"] for each in found] == [None, 5.0]


def test_no_rows_give_no_records() -> None:
    assert len(encode(Columns.of([build(AssignmentAccepted)]).take(slice(0, 0)), 1)) == 0
