"""Does a schema grow while its records are on the way? Old and new ones in one batch, and those that only fastavro can read."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import Field

from schemas import avro
from schemas.columns import Batch, Reader, Records
from schemas.dispatch import DELAY_PREDICTED, DelayPredicted
from schemas.event import Event, Topic
from tests.builders import USUAL_AT, many
from tests.unit.schemas.oracle import framed, write

TOPIC = Topic("tests.anything.v1", key="event_id")
AT_MS = int(USUAL_AT.timestamp() * 1000)


class Grown(Event):
    """One field of each kind that a writer may have narrower, other, or not yet."""

    count: int
    ratio: float
    note: str
    raw: bytes
    kind: Literal["unknown", "a", "b"]
    amount: Decimal = Field(max_digits=9, decimal_places=2)
    added: str = "not said"
    maybe: float | None = None


USUAL: dict[str, tuple[Any, Any]] = {
    "event_id": ("string", "key"), "at": ({"type": "long", "logicalType": "timestamp-millis"}, AT_MS),
    "count": ("long", 7), "ratio": ("double", 0.5), "note": ("string", "é"), "raw": ("bytes", b"\xff"),
    "kind": ({"type": "enum", "name": "GrownKind", "symbols": ["unknown", "a", "b"]}, "b"),
    "amount": ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, b"\x04\xe2"),
}  # fmt: skip


def schema(**fields: tuple[Any, Any]) -> tuple[dict[str, Any], bytes]:
    """Return a writer's schema with these fields in place of the usual ones, or beside them, and one record of it."""
    told = USUAL | fields
    made = {"type": "record", "name": "Grown", "fields": [{"name": name, "type": kind} for name, (kind, _) in told.items()]}
    return made, write(made, {name: value for name, (_, value) in told.items()})


def read(*written: tuple[Mapping[str, Any], bytes]) -> tuple[Batch, Reader]:
    """Read records, each of a schema of its own, as one batch."""
    schemas = {number: each for number, (each, _) in enumerate(written, 1)}
    reader = Reader(TOPIC, schemas.get, holds=(Grown,))
    rows = [(i, 0, b"key", framed(raw, i + 1)) for i, (_, raw) in enumerate(written)]
    return reader.read(Records.of(TOPIC.name, 0, rows)), reader


@pytest.mark.parametrize(
    ("field", "kind", "value", "found"),
    [
        ("count", "int", 2**31 - 1, 2**31 - 1),
        ("ratio", "int", 3, 3.0),
        ("ratio", "long", 2**53, 2.0**53),
        ("ratio", "float", 0.25, 0.25),
        ("note", "bytes", "é".encode(), "é"),
        ("raw", "string", "é", "é".encode()),
        ("kind", {"type": "enum", "name": "GrownKind", "symbols": ["b", "unknown"]}, "b", "b"),
        ("count", ["null", "long"], 7, 7),
        ("amount", USUAL["amount"][0], b"\x00\x00\x04\xe2", Decimal("12.50")),
        ("amount", USUAL["amount"][0], b"\xff", Decimal("-0.01")),
        ("maybe", "float", 1.5, 1.5),
        ("maybe", "null", None, None),
        ("added", "string", "said", "said"),
        ("at", {"type": "long", "logicalType": "timestamp-micros"}, AT_MS * 1000 + 999, USUAL_AT),
    ],
)
def test_a_narrower_or_other_type_is_read_as_ours_without_fastavro(field: str, kind: Any, value: Any, found: Any) -> None:
    batch, reader = read(schema(**{field: (kind, value)}), schema())
    assert batch.letters == []
    assert next(getattr(event, field) for event in batch.rows()) == found
    assert reader.take_slow() == []


@pytest.mark.parametrize("other", [{"scale": 3}, {"logicalType": "none"}])
def test_an_amount_in_other_units_is_refused_by_its_schema_never_guessed(other: dict[str, Any]) -> None:
    kind, value = USUAL["amount"]
    batch, _ = read(schema(amount=(kind | other, value)), schema())
    (letter,) = batch.letters
    assert (letter.index, letter.reason) == (0, "wrong_type")
    assert "amount" in letter.detail


def test_a_field_that_is_not_there_yet_has_its_default_beside_records_that_have_it() -> None:
    old, new = schema(), schema(added=("string", "said"), maybe=("double", 2.0), later=("double", 9.0))
    batch, _ = read(old, new, old, new)
    assert [(event.added, event.maybe) for event in batch.of(Grown).rows()] == [("not said", None), ("said", 2.0)] * 2


def test_a_symbol_we_do_not_know_yet_is_the_enums_default() -> None:
    later = schema(kind=({"type": "enum", "name": "GrownKind", "symbols": ["c", "b"]}, "c"))
    batch, reader = read(schema(), later, schema())
    assert batch.letters == []
    assert [event.kind for event in batch.of(Grown).rows()] == ["b", "unknown", "b"]
    assert reader.take_slow() == []


def test_aliases_of_a_writer_change_nothing_for_only_a_readers_count() -> None:
    made, raw = schema()
    fields = [field | {"aliases": [f"old_{field['name']}"]} for field in made["fields"]]
    batch, reader = read((made | {"aliases": ["Shrunk"], "fields": fields}, raw))
    assert batch.letters == []
    assert reader.take_slow() == []


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({"type": "map", "values": "long"}, {"a": 1}),
        ({"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "long"}]}, {"a": 1}),
        ({"type": "array", "items": "string"}, ["a"]),
        (["null", "string", "long"], 5),
    ],
)
def test_what_only_fastavro_can_read_is_read_beside_the_others_and_told_once(kind: Any, value: Any) -> None:
    strange = schema(strange=(kind, value))
    batch, reader = read(strange, schema(), strange)
    assert batch.letters == []
    assert list(batch.rows()) == [next(iter(read(schema())[0].rows()))] * 3
    told = reader.take_slow()
    assert [(slow.event, slow.records) for slow in told] == [("Grown", 1), ("Grown", 1)]
    assert {slow.schema_id for slow in told} == {1, 3}
    assert all("strange" in slow.reason for slow in told)
    assert reader.take_slow() == []


def test_an_event_of_ours_grows_in_flight() -> None:
    """The class as it is today, by a writer who has a field more in the middle, and by one who does not say `reason` yet."""
    today = avro.schema(DelayPredicted)
    newer = today | {"fields": [*today["fields"][:3], {"name": "traffic", "type": ["null", "double"]}, *today["fields"][3:]]}
    older = today | {"fields": [field for field in today["fields"] if field["name"] != "reason"]}
    answers = many(DelayPredicted, 9, depot_id="d", delay_s=1.5)
    schemas = {1: older, 2: today, 3: newer}
    rows = []
    for number, answer in enumerate(answers):
        said = answer.model_dump() | {name: int(getattr(answer, name).timestamp() * 1000) for name in ("at", "promised_at")}
        written = write(schemas[number % 3 + 1], said | {"traffic": 0.5})
        rows.append((number, 0, b"d", framed(written, number % 3 + 1)))
    batch = Reader(DELAY_PREDICTED, schemas.get).read(Records.of(DELAY_PREDICTED.name, 0, rows))
    assert batch.letters == []
    assert list(batch.rows()) == answers


def test_a_record_of_ten_megabytes_is_a_letter_and_its_neighbours_are_read() -> None:
    made, raw = schema()
    reader = Reader(TOPIC, {1: made}.get, holds=(Grown,))
    large = framed(raw) + bytes(10_000_000)
    batch = reader.read(
        Records.of(TOPIC.name, 0, [(i, 0, b"key", value) for i, value in enumerate((framed(raw), large, framed(raw)))])
    )
    (letter,) = batch.letters
    assert (letter.index, letter.reason) == (1, "oversized")
    assert letter.detail == f"expected at most 1000000 bytes, found {len(large)}"
    assert batch.of(Grown).n == 2
