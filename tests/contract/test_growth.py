"""Do an agent's answers stay the same, byte for byte, while a newer writer adds fields to the facts it reads?"""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from schemas.columns import Reader, Records
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted, DeliveryCompleted
from schemas.event import Event
from streams.engine.processor import Processor
from tests.builders import build
from tests.contract.test_laws import IDS, PREDICT, SCHEMAS, bundles, logs
from tests.deliveries import events, images, small
from tests.unit.schemas.oracle import framed, write

FACTS = 1_000
LATER = 1_000
"""What is added to a schema id for that class as a later release writes it."""
MAP = {"name": "tags", "type": {"type": "map", "values": "string"}}
NEW: dict[str, list[dict[str, Any]]] = {
    "with a nullable number, first": [{"name": "traffic_ratio", "type": ["null", "double"], "default": None}],
    "with a map, which only fastavro can read": [MAP],
}


def grown(event: type[Event], more: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the class's schema with fields before its own."""
    ours = SCHEMAS[IDS[event]]
    return dict(ours) | {"fields": [*more, *ours["fields"]]}


def told(story: list[Event], more: list[dict[str, Any]]) -> tuple[Records, dict[int, Any]]:
    """Return the log with every second acceptance and completion written by the later release, and the schemas in it."""
    (records,) = logs(story, 1)
    later = {IDS[event] + LATER: grown(event, more) for event in (AssignmentAccepted, DeliveryCompleted)}
    rows = []
    for i, event in enumerate(story):
        value = records.values.raw(i)
        if i % 2 and type(event) in (AssignmentAccepted, DeliveryCompleted):
            said = {name: int(v.timestamp() * 1000) if hasattr(v, "timestamp") else v for name, v in event.model_dump().items()}
            number = IDS[type(event)] + LATER
            value = framed(write(later[number], said | {"traffic_ratio": 0.5, "tags": {"a": "b"}}), number)
        rows.append((i, int(records.appended_at[i]), records.keys.raw(i), value))
    return Records.of(ASSIGNMENTS.name, 0, rows), SCHEMAS | later


def answers(records: Records, schemas: dict[int, Any], cuts: int) -> tuple[list[Any], Processor]:
    one = Processor(PREDICT, 0, reader=Reader(ASSIGNMENTS, schemas.get), schema_ids=IDS, bundles=bundles)
    edges = np.linspace(0, len(records), cuts + 2).astype(int).tolist()
    effects = [one.process(records.slice(a, b)) for a, b in pairwise(edges)]
    assert all(not each.letters for each in effects)
    rows = [
        (sent.event.__name__, *row)
        for each in effects
        for sent in each.sent
        for row in zip(sent.keys.raws(), sent.values.raws(), strict=True)
    ]
    return sorted(rows), one


@pytest.mark.parametrize("what", NEW)
def test_a_later_release_among_the_writers_changes_no_answer(what: str) -> None:
    sha = small("flights").sha256
    model = build(Control, event_id="m1", series="models", number=1, kind="model", name="dispatch.delay/flights", value=sha)
    story: list[Event] = [model, *events("flights", FACTS)]
    (plain,) = logs(story, 1)
    mixed, schemas = told(story, NEW[what])

    (before, left), (after, right) = answers(plain, SCHEMAS, 3), answers(mixed, schemas, 7)

    assert len(before) > FACTS / 2
    assert before == after
    assert images(left.state) == images(right.state)
    assert bool(right.reader.take_slow()) == (MAP in NEW[what])
