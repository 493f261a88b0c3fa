"""Does the walk stop where a value stops, and wherever there is none?"""

import io
from contextlib import suppress
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns.walking import Endless, Malformed, least_bytes, walk
from tests.unit.schemas import oracle

INNER = {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": ["null", "string"]}]}
KINDS: list[Any] = [
    "null", "boolean", "int", "long", "float", "double", "string", "bytes", ["null", "string", "long"], INNER, "Inner",
    {"type": "array", "items": "string"}, {"type": "array", "items": ["null", "double"]}, {"type": "map", "values": "Inner"},
    {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}, {"type": "fixed", "name": "Three", "size": 3},
    {"type": "array", "items": {"type": "map", "values": {"type": "array", "items": "long"}}},
]  # fmt: skip
SCHEMA: Any = fastavro.parse_schema(
    {"type": "record", "name": "Odd", "fields": [{"name": f"f{i}", "type": kind} for i, kind in enumerate(KINDS)]}
)


def _values() -> st.SearchStrategy[dict[str, Any]]:
    named = {"Inner": oracle.values(INNER)}
    drawn = {
        f"f{i}": st.dictionaries(st.text(max_size=3), named["Inner"], max_size=2)
        if kind == {"type": "map", "values": "Inner"}
        else named["Inner"] if kind == "Inner" else oracle.values(kind)
        for i, kind in enumerate(KINDS)
    }  # fmt: skip
    return st.fixed_dictionaries(drawn)


def _written(record: dict[str, Any]) -> bytes:
    target = io.BytesIO()
    fastavro.schemaless_writer(target, SCHEMA, record)
    return target.getvalue()


@given(record=_values(), data=st.data())
def test_a_whole_record_is_walked_and_no_shorter_or_longer_one(record: dict[str, Any], data: st.DataObject) -> None:
    raw = _written(record)

    walk(SCHEMA, raw)
    with pytest.raises(Malformed):
        walk(SCHEMA, raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(Malformed, match="1 more bytes"):
        walk(SCHEMA, raw + b"\0")


@given(raw=st.binary(max_size=200))
def test_random_bytes_are_walked_or_refused(raw: bytes) -> None:
    with suppress(Malformed):
        walk(SCHEMA, raw)


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("null", 0),
        ("double", 8),
        (["null"], 1),
        (INNER, 2),
        ({"type": "array", "items": "long"}, 1),
        ({"type": "fixed", "name": "F", "size": 3}, 3),
    ],
)
def test_the_least_a_value_takes_is_known(kind: Any, least: int) -> None:
    assert least_bytes(kind) == least


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "array", "items": "null"},
        {"type": "array", "items": {"type": "fixed", "name": "Nothing", "size": 0}},
        {"type": "array", "items": {"type": "record", "name": "Nothing", "fields": [{"name": "n", "type": "null"}]}},
        {"type": "record", "name": "Loop", "fields": [{"name": "next", "type": ["null", "Loop"]}]},
        {"type": "record", "name": "Tree", "fields": [{"name": "leaves", "type": {"type": "array", "items": "Tree"}}]},
    ],
)
def test_what_a_few_bytes_could_make_endless_is_found(kind: Any) -> None:
    with pytest.raises(Endless):
        least_bytes(kind)
