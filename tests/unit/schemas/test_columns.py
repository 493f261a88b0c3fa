"""Do columns refuse what is not theirs, with the field's name?"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import AfterValidator, Field

from schemas import avro
from schemas.columns import Columns, Nullable, Ragged, Reader, Records, Strings, encode
from schemas.columns.layout import layout
from schemas.dispatch import AssignmentAccepted, DelayPredicted
from schemas.event import Event, Feature, Moment, Topic
from tests.builders import build, many

USUAL = dict(Columns.of(many(DelayPredicted, 2)).fields)


@pytest.mark.parametrize(
    ("change", "fault", "says"),
    [
        ({"delay_h": np.zeros(2)}, ValueError, "no field 'delay_h'"),
        ({"low_s": np.zeros(3)}, ValueError, "low_s: expected 2 values"),
        ({"low_s": Strings.of(["a", "b"])}, TypeError, "low_s"),
        ({"promised_at": np.array(["2013", "2014"])}, TypeError, "promised_at"),
        ({"promised_at": np.zeros(2)}, TypeError, "promised_at"),
        ({"promised_at": np.zeros((2, 2), np.int64)}, TypeError, "promised_at"),
        ({"model": Nullable(Strings.of(["a", "b"]), np.ones(2, np.bool_))}, TypeError, "model"),
        ({"rung": np.array([0, 300])}, TypeError, "rung"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], fault: type[Exception], says: str) -> None:
    with pytest.raises(fault, match=says):
        Columns(DelayPredicted, USUAL | change)


def test_a_missing_field_is_named_unless_it_has_a_default() -> None:
    less = {name: column for name, column in USUAL.items() if name != "reason"}

    assert Columns(DelayPredicted, less)["reason"].tolist() == ["", ""]
    with pytest.raises(ValueError, match="'model' is missing"):
        Columns(DelayPredicted, {name: column for name, column in less.items() if name != "model"})


def test_plain_lists_and_narrow_arrays_become_columns() -> None:
    columns = Columns(
        DelayPredicted,
        USUAL | {"low_s": np.array([1, 2], np.float32), "rung": [1, 2], "features": np.ones((2, 3)), "model": ["a", "b"]},
    )

    assert columns["low_s"].values.dtype == np.float64
    assert columns["low_s"].valid.all()
    assert columns["rung"].dtype == np.uint8
    assert columns["features"].tolist() == [[1.0] * 3] * 2
    assert len(encode(columns, 1)) == 2


def test_a_field_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(KeyError, match=r"no field 'delay'; it has event_id, at, cause"):
        Columns(DelayPredicted, USUAL)["delay"]


def test_events_of_two_classes_are_not_columns_of_one() -> None:
    with pytest.raises(ValueError, match=r"AssignmentAccepted.*DelayPredicted"):
        Columns.of([build(AssignmentAccepted), build(DelayPredicted)])


class Everything(Event):
    """Each type once."""

    amount: Decimal = Field(max_digits=9, decimal_places=2)
    when: Moment | None
    raw: bytes
    kind: Literal["a", "b"]
    counts: list[int]
    names: list[str]
    features: list[Feature]


EVERYTHING = Everything(
    event_id="e", at=datetime(2013, 1, 1, tzinfo=UTC), amount=Decimal("-12.50"), when=None, raw=b"\xff", kind="b", counts=[2**60],
    names=["x", "é"], features=[1.5],
)  # fmt: skip


def test_plain_values_come_out_as_they_went_in() -> None:
    columns = Columns.of([EVERYTHING])

    names = ["amount", "when", "raw", "kind", "counts", "names", "at"]
    assert list(columns.tuples(names)) == [(Decimal("-12.50"), None, b"\xff", "b", [2**60], ["x", "é"], EVERYTHING.at)]
    assert list(columns.rows()) == [EVERYTHING]
    assert columns["amount"].tolist() == [-1250]
    assert columns["at"].tolist() == [1356998400000]


def test_an_amount_with_more_places_than_the_field_has_is_refused() -> None:
    with pytest.raises(ValueError, match="field amount: expected at most 2 decimal places"):
        Columns.of([EVERYTHING.model_copy(update={"amount": Decimal("0.001")})])


def test_a_feature_may_be_unknown_but_not_endless() -> None:
    class Seen(Event):
        """A list with nan."""

        features: list[Feature]

    known = Columns(Seen, {"event_id": ["e"], "at": np.array([1356998400000]), "features": Ragged.of([[np.nan, 1.0]])})

    raw = encode(known, 1).raws()[0]
    reader = Reader(Topic("tests.seen.v1", key="event_id"), {1: avro.schema(Seen)}.get, holds=(Seen,))
    batch = reader.read(Records.of("tests.seen.v1", 0, [(0, 0, b"e", raw)]))
    assert np.isnan(batch["features"][0][0])
    with pytest.raises(ValueError, match="features, row 0"):
        encode(Columns(Seen, dict(known.fields) | {"features": Ragged.of([[np.inf, 1.0]])}), 1)


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("odd")
    return number


def test_a_rule_that_columns_cannot_check_is_refused_at_once() -> None:
    class Even(Event):
        """A rule of its own."""

        number: Annotated[int, AfterValidator(_even)]

    with pytest.raises(TypeError, match=r"Even.number: columns cannot check"):
        layout(Even)


def test_a_topic_is_keyed_by_a_text_that_is_always_there() -> None:
    class Loose(Event):
        """Its key may be missing."""

        depot_id: str | None

    Loose.topic = Topic("tests.loose.v1", key="depot_id")  # given late, it is not in the catalogue of this process
    with pytest.raises(TypeError, match="'depot_id', always there"):
        layout(Loose)
