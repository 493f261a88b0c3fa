"""What if the bytes are not what they should be? One letter a record, neighbours unharmed, and nothing read past a record's end."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import avro
from schemas.columns import Columns, Reader, Records, Strings, encode
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted, DelayPredicted
from schemas.event import Event, Moment, Topic
from tests.builders import build, many
from tests.unit.schemas import oracle
from tests.unit.schemas.oracle import Refused, event_classes, framed, records, write, writers
from tests.unit.schemas.test_reading import read

_STRICTER = (
    "at most 10 bytes", "of 32 bits", "inside the record", "byte 0 or 1", "index of a symbol", "items that fit", "branch of the union",
    "expected a length",
)  # fmt: skip
"""What fastavro lets pass and we do not: endless or wide numbers, negative lengths and indexes, odd booleans."""


@st.composite
def damaged(draw: st.DrawFn, raw: bytes) -> bytes:
    """The bytes with something cut, changed, put in or doubled."""
    broken = bytearray(raw)
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.integers(0, len(broken)))
        how = draw(st.sampled_from(["cut", "change", "put", "drop", "high"]))
        if how == "cut":
            del broken[where:]
        elif how == "put":
            broken[where:where] = draw(st.binary(min_size=1, max_size=10))
        elif how == "drop":
            del broken[where : where + draw(st.integers(1, 4))]
        elif where < len(broken):
            broken[where] = draw(st.integers(0, 255)) if how == "change" else 0xFF
    return bytes(broken)


@settings(max_examples=300)
@given(data=st.data())
def test_damaged_records_are_read_as_the_oracle_reads_them_or_refused(data: st.DataObject) -> None:
    event = data.draw(event_classes())
    schema = data.draw(writers(event, strange=data.draw(st.sampled_from([False, False, True]))))
    whole = [write(schema, data.draw(records(schema))) for _ in range(3)]
    broken = [data.draw(damaged(raw)) for raw in whole]

    batch = read(event, {1: schema}, [framed(raw) for pair in zip(whole, broken, strict=True) for raw in pair])

    found = dict(zip(np.flatnonzero(batch.kind == 0).tolist(), batch.rows(), strict=True))
    letters = {letter.index: letter for letter in batch.letters}
    assert sorted([*found, *letters]) == list(range(6))
    for i, raw in enumerate(raw for pair in zip(whole, broken, strict=True) for raw in pair):
        expected = oracle.read(schema, event, raw)
        if i in found:
            # A text of the writer that is bytes to us, or nothing, need not be UTF-8; fastavro looks all the same.
            assert found[i] == expected or (isinstance(expected, Refused) and "UnicodeDecodeError" in expected.why)
        elif not isinstance(expected, Refused):
            assert any(words in letters[i].detail for words in _STRICTER), letters[i]


@settings(max_examples=200)
@given(data=st.data())
def test_what_lies_behind_a_record_changes_nothing(data: st.DataObject) -> None:
    event = data.draw(event_classes())
    schema = data.draw(writers(event))
    raw = framed(data.draw(damaged(write(schema, data.draw(records(schema))))))
    reader = Reader(Topic("tests.anything.v1", key="event_id"), {1: schema}.get, holds=(event,))

    seen = []
    for behind in (b"", b"\x00" * 64, b"\xff" * 64, b"\x02" * 64):
        place = Strings(np.frombuffer(raw + behind, np.uint8), np.zeros(1, np.int64), np.array([len(raw)], np.int32))
        batch = reader.read(Records("t", 0, np.zeros(1, np.int64), np.zeros(1, np.int64), Strings.of([b"key"]), place))
        seen.append((batch.letters, list(batch.rows())))

    assert seen[1:] == seen[:-1]


@settings(max_examples=300)
@given(values=st.lists(st.none() | st.binary(max_size=60) | st.binary(max_size=60).map(framed), max_size=8))
def test_random_bytes_become_letters_and_never_an_exception(values: list[bytes | None]) -> None:
    reader = Reader(ASSIGNMENTS, {1: avro.schema(AssignmentAccepted)}.get)

    batch = reader.read(Records.of(ASSIGNMENTS.name, 0, [(i, 0, None, value) for i, value in enumerate(values)]))

    assert [letter.index for letter in batch.letters] == list(range(len(values)))
    assert (batch.kind == -1).all()
    assert not batch.at.any()


GOOD = build(AssignmentAccepted)
SCHEMAS: dict[int, Any] = {1: avro.schema(AssignmentAccepted), 2: avro.schema(DelayPredicted)}


def raw_of(event: Event) -> bytes:
    return encode(Columns.of([event]), 1).raws()[0] or b""


def only_letter(
    value: bytes | None, key: bytes | None = GOOD.key.encode(), event: type[Event] = AssignmentAccepted
) -> tuple[str, str]:
    reader = Reader(event.topic, {1: avro.schema(event)}.get)
    batch = reader.read(Records.of(event.topic.name, 0, [(7, 0, key, value)]))
    (letter,) = batch.letters
    return letter.reason, letter.detail


@pytest.mark.parametrize(
    ("value", "reason", "says"),
    [
        (None, "null", "null"),
        (b"", "empty", "no bytes"),
        (b"\x00\x00\x00", "not_framed", "00 00 00"),
        (b"\x01" + raw_of(GOOD)[1:], "not_framed", "01 00 00 00 01"),
        (b"\x00\x00\x00\x00\x09", "unknown_schema", "9"),
        (b"\x00" * 1_000_001, "oversized", "1000001"),
        (raw_of(GOOD) + b"\x00", "malformed", "1 more bytes"),
        (raw_of(GOOD)[:-1], "malformed", "utc_offset_s"),
        (b"\x00\x00\x00\x00\x01", "malformed", "event_id"),
        (framed(b"\xff" * 11), "malformed", "at most 10 bytes"),
        (framed(b"\x01"), "malformed", "found -1"),
        (framed(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "malformed", "inside the record"),
    ],
)
def test_each_kind_of_broken_record_has_its_reason(value: bytes | None, reason: str, says: str) -> None:
    found, detail = only_letter(value)

    assert found == reason
    assert says in detail


@pytest.mark.parametrize("key", [b"another", None, b""])
def test_a_record_under_another_key_is_refused(key: bytes | None) -> None:
    reason, detail = only_letter(raw_of(GOOD), key)

    assert reason == "bad_key"
    assert "depot_id" in detail
    assert repr(GOOD.key) in detail


@pytest.mark.parametrize(
    ("field", "value", "reason", "says"),
    [
        ("lateness_s", float("nan"), "not_finite", "nan"),
        ("lateness_s", float("-inf"), "not_finite", "-inf"),
        ("lateness_s", 1e9, "out_of_range", "604800"),
        ("distance_km", -0.5, "out_of_range", "0.0 to 50000"),
        ("items", -1, "out_of_range", "0 to 1000000"),
        ("at", datetime(1900, 1, 1, tzinfo=UTC), "bad_time", "1900-01-01"),
        ("promised_at", datetime(2999, 1, 1, tzinfo=UTC), "bad_time", "2999-01-01"),
        ("courier_id", "", "bad_text", "1 to 200 bytes"),
        ("courier_id", "é" * 101, "bad_text", "found 202"),
    ],
)
def test_each_impossible_value_is_named_with_what_was_expected(field: str, value: Any, reason: str, says: str) -> None:
    plain = {entry["name"]: getattr(GOOD, entry["name"]) for entry in SCHEMAS[1]["fields"]} | {field: value}
    ms = {name: round(v.timestamp() * 1000) if isinstance(v, datetime) else v for name, v in plain.items()}

    found, detail = only_letter(framed(write(SCHEMAS[1], ms)))

    assert found == reason
    assert f"field {field}: expected" in detail
    assert says in detail


def test_text_that_is_not_utf8_is_refused() -> None:
    broken = raw_of(GOOD).replace(GOOD.courier_id.encode(), b"\xed\xa0\x80" + GOOD.courier_id.encode()[3:])

    assert only_letter(broken)[0] == "bad_text"


def test_a_broken_record_weighs_more_than_a_bad_value_before_it() -> None:
    ms = {e["name"]: getattr(GOOD, e["name"]) for e in SCHEMAS[1]["fields"]} | {"courier_id": "", "at": 1, "promised_at": 1}

    assert only_letter(framed(write(SCHEMAS[1], ms))[:-1])[0] == "malformed"


def test_a_schema_of_another_record_is_refused_with_the_names_we_expect() -> None:
    batch = Reader(ASSIGNMENTS, SCHEMAS.get).read(Records.of("t", 0, [(0, 0, b"k", framed(b"abc", 2))]))

    assert batch.letters[0].reason == "wrong_type"
    assert batch.letters[0].schema_id == 2
    assert "AssignmentAccepted" in batch.letters[0].detail
    assert "DelayPredicted" in batch.letters[0].detail


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "array", "items": "null"},
        {"type": "array", "items": {"type": "record", "name": "Empty", "fields": [{"name": "n", "type": "null"}]}},
        {"type": "record", "name": "Loop", "fields": [{"name": "next", "type": ["null", "Loop"]}]},
    ],
)
def test_a_schema_that_a_few_bytes_could_make_endless_is_refused(kind: Any) -> None:
    schema = SCHEMAS[1] | {"fields": [*SCHEMAS[1]["fields"], {"name": "extra", "type": kind}]}

    batch = Reader(ASSIGNMENTS, {1: schema}.get).read(Records.of("t", 0, [(0, 0, b"k", framed(b"\xff" * 9))]))

    assert batch.letters[0].reason == "wrong_type"


class Measured(Event):
    """A list on the wire."""

    numbers: list[float]
    when: Moment


@pytest.mark.parametrize(
    "array",
    [
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",  # 2**62 items
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00",  # -2**63 items
        b"\x01\x10" + b"\x00" * 7,  # a block of one, one byte short
        b"\x02" + b"\x00" * 8,  # no end
    ],
)
def test_arrays_that_do_not_fit_are_refused(array: bytes) -> None:
    head = write({"type": "record", "name": "Head", "fields": [{"name": "id", "type": "string"}, {"name": "at", "type": "long"}]},
                 {"id": "id", "at": oracle.MS_2000})  # fmt: skip

    batch = read(Measured, {1: avro.schema(Measured)}, [framed(head + array)])

    assert batch.letters[0].reason == "malformed"
    assert "numbers" in batch.letters[0].detail


def test_arrays_in_several_blocks_with_and_without_sizes_are_read() -> None:
    one, two = np.array([1.5]).tobytes(), np.array([2.5, -0.0]).tobytes()
    head = write({"type": "record", "name": "Head", "fields": [{"name": "id", "type": "string"}, {"name": "at", "type": "long"}]},
                 {"id": "id", "at": oracle.MS_2000})  # fmt: skip
    when = b"\x80\xb0\xfd\xac\x8d7"

    batch = read(Measured, {1: avro.schema(Measured)}, [framed(head + b"\x02" + one + b"\x03\x20" + two + b"\x00" + when)])

    assert batch["numbers"].tolist() == [[1.5, 2.5, -0.0]]


def test_neighbours_of_bad_records_are_unharmed() -> None:
    events = many(AssignmentAccepted, 200, courier_id=lambda i: f"c{i}")
    raws = encode(Columns.of(events), 1).raws()
    values = [raw if i % 3 else (raw or b"")[: i % 40] for i, raw in enumerate(raws)]

    batch = Reader(ASSIGNMENTS, SCHEMAS.get).read(
        Records.of(ASSIGNMENTS.name, 3, [(i, 0, e.key.encode(), v) for i, (e, v) in enumerate(zip(events, values, strict=True))])
    )

    assert list(batch.rows()) == [event for i, event in enumerate(events) if i % 3]
    assert [letter.index for letter in batch.letters] == list(range(0, 200, 3))
