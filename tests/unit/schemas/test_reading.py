"""Is what the kernels read what fastavro and pydantic read?"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import Reader, Records
from schemas.event import Event, Topic
from tests.unit.schemas import oracle
from tests.unit.schemas.oracle import Refused, event_classes, framed, records, write, writers

TOPIC = Topic("tests.anything.v1", key="event_id")


def read(event: type[Event], schemas: Mapping[int, Mapping[str, Any]], values: list[bytes | None], **more: Any) -> Any:
    reader = Reader(TOPIC, schemas.get, holds=(event,))
    return reader.read(Records.of(TOPIC.name, 0, [(i, 0, b"key", value) for i, value in enumerate(values)]))


def agrees(event: type[Event], schemas: Mapping[int, Mapping[str, Any]], written: list[tuple[int, bytes]]) -> None:
    """Assert that a batch of these records is what the oracle makes of each of them."""
    batch = read(event, schemas, [framed(raw, number) for number, raw in written])

    expected = [oracle.read(schemas[number], event, raw) for number, raw in written]

    assert [letter.index for letter in batch.letters] == [i for i, each in enumerate(expected) if isinstance(each, Refused)], (
        batch.letters,
        expected,
    )
    good = [each for each in expected if not isinstance(each, Refused)]
    assert list(batch.rows()) == good
    assert batch.event_ids.take(batch.order(event)).tolist() == [each.event_id for each in good]
    assert batch.at[batch.order(event)].tolist() == [(each.at - oracle.EPOCH) // timedelta(milliseconds=1) for each in good]
    assert batch.row[batch.order(event)].tolist() == list(range(len(good)))


@settings(max_examples=300)
@given(data=st.data())
def test_records_of_grown_schemas_are_read_as_fastavro_reads_them(data: st.DataObject) -> None:
    event = data.draw(event_classes())
    schemas = dict(enumerate(data.draw(st.lists(writers(event), min_size=1, max_size=3))))
    written = []
    for number in data.draw(st.lists(st.sampled_from(sorted(schemas)), max_size=6)):
        written.append((number, write(schemas[number], data.draw(records(schemas[number])))))

    agrees(event, schemas, written)


@settings(max_examples=150)
@given(data=st.data())
def test_what_a_plan_cannot_say_is_read_by_fastavro_and_says_so(data: st.DataObject) -> None:
    event = data.draw(event_classes(extra=(list[str], dict[str, int])[:1]))
    schema = data.draw(writers(event, strange=True))
    written = [(1, write(schema, data.draw(records(schema)))) for _ in range(data.draw(st.integers(0, 4)))]

    agrees(event, {1: schema}, written)
    plan = Reader(TOPIC, {1: schema}.get, holds=(event,)).plan(1)
    assert plan is None or plan.fallback is not None
