"""Do the `.avsc` files agree with the classes, and the classes with every release?"""

import json
from pathlib import Path

import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from schemas import avro
from schemas.event import Event
from schemas.rendering import every_event, render_all

RELEASED = sorted((avro.AVRO / "released").glob("*/*.avsc"))
CLASSES = {event.__name__: event for event in every_event()}


def _checker() -> ReaderWriterCompatibilityChecker:
    return ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]  # ships half its types


@pytest.mark.parametrize("event", every_event(), ids=lambda event: event.__name__)
def test_the_avsc_file_is_what_the_class_says(event: type[Event]) -> None:
    path = avro.path(event)

    found = path.read_text(encoding="utf-8") if path.exists() else "no file"

    assert found == avro.render(event), f"{path.name} is stale: run `affluent schemas render`"


def test_no_avsc_file_is_left_of_a_class_that_is_gone() -> None:
    assert set(avro.AVRO.glob("*.avsc")) == set(render_all())


@pytest.mark.parametrize("event", every_event(), ids=lambda event: event.__name__)
def test_another_avro_library_reads_the_schema(event: type[Event]) -> None:
    assert parse(avro.render(event)).props["name"] == event.__name__


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_class_reads_what_a_release_wrote_and_the_other_way_round(path: Path) -> None:
    if path.stem not in CLASSES:
        pytest.skip(f"{path.stem} is no longer written")

    released, ours = parse(path.read_text(encoding="utf-8")), parse(avro.render(CLASSES[path.stem]))

    for reader, writer, which in ((ours, released, "we cannot read"), (released, ours, "cannot read us:")):
        result = _checker().get_compatibility(reader, writer)
        assert result.compatibility is SchemaCompatibilityType.compatible, f"{which} {path.parent.name}: {result.messages}"


def test_the_check_refuses_a_field_without_a_default() -> None:
    ours = avro.schema(CLASSES["Control"])
    theirs = ours | {"fields": [*ours["fields"], {"name": "new", "type": "long"}]}

    result = _checker().get_compatibility(parse(json.dumps(theirs)), parse(json.dumps(ours)))

    assert result.compatibility is SchemaCompatibilityType.incompatible
