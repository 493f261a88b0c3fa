"""Is as much of a broken record read as can be, and nothing invented?"""

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import avro
from schemas.dispatch import AssignmentAccepted
from schemas.salvage import Endless, framed, plain, salvage
from tests import bad
from tests.builders import build

SCHEMA = avro.schema(AssignmentAccepted)
BODY = bad.frame(build(AssignmentAccepted), 7)[5:]
NESTED = {
    "type": "record",
    "name": "Nested",
    "fields": [
        {"name": "colour", "type": {"type": "enum", "name": "Colour", "symbols": ["red", "blue"]}},
        {"name": "others", "type": {"type": "array", "items": "Colour"}},
        {"name": "place", "type": ["null", {"type": "record", "name": "Place", "fields": [{"name": "of", "type": "Colour"}]}]},
        {"name": "back", "type": {"type": "map", "values": ["null", "Place"]}},
        {"name": "raw", "type": {"type": "fixed", "name": "Two", "size": 2}},
    ],
}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_are_read_up_to_where_they_make_sense(data: st.DataObject) -> None:
    raw = bytearray(BODY)
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    body = bytes(raw[: data.draw(st.integers(0, len(raw)))]) + data.draw(st.binary(max_size=3))

    found = salvage(SCHEMA, body)

    names = [field["name"] for field in SCHEMA["fields"]]
    told = [*found.fields, *([found.broken] if found.broken else []), *found.unread]
    assert sorted(told) == sorted(names)
    assert plain(dict(found.fields)) is not None
    if found.whole:
        source = io.BytesIO(body)
        read: Any = fastavro.schemaless_reader(source, fastavro.parse_schema(dict(SCHEMA)), None)
        assert (repr(read), source.read()) == (repr(dict(found.fields)), b"")


@given(st.binary(max_size=200))
def test_noise_never_breaks_the_reader(body: bytes) -> None:
    for schema in (SCHEMA, NESTED):
        found = salvage(schema, body)
        assert 0 <= found.left <= len(body)


def test_every_field_before_the_cut_is_kept() -> None:
    whole = salvage(SCHEMA, BODY)
    assert whole.whole
    for size in range(len(BODY)):
        found = salvage(SCHEMA, BODY[:size])
        assert found.broken is not None
        assert list(found.fields.items()) == list(whole.fields.items())[: len(found.fields)]


def test_types_that_refer_to_earlier_ones_are_read() -> None:
    value = {
        "colour": "blue",
        "others": ["red", "blue"],
        "place": {"of": "red"},
        "back": {"a": None, "b": {"of": "blue"}},
        "raw": b"xy",
    }
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(NESTED), value)

    found = salvage(NESTED, out.getvalue())

    assert found.whole
    assert dict(found.fields) == value


def test_an_id_that_is_no_id_is_not_taken_for_one() -> None:
    assert salvage(SCHEMA, BODY).event_id == "AssignmentAccepted-1"
    assert salvage(SCHEMA, BODY[:10]).event_id is None
    empty = bad.frame(build(AssignmentAccepted), 7, event_id="")[5:]
    assert salvage(SCHEMA, empty).event_id is None


def test_a_schema_that_could_be_endless_is_refused() -> None:
    endless = {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "null"}}]}

    with pytest.raises(Endless):
        salvage(endless, b"\x02\x00")


def test_a_frame_is_a_zero_and_an_id() -> None:
    assert framed(b"\x00\x00\x00\x01\x02abc") == (258, b"abc")
