"""Does an event made of a dead letter keep its first id and its key, and is everything else about it checked?"""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.errors import Fault
from producers.mending import edit_from, edited, open_letter, redecoded
from producers.redrive import as_event, derived_id, require_whole, unchanged
from schemas import avro
from schemas.columns import Reader, Records
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted
from schemas.letters import DeadLetter
from schemas.salvage import framed, plain
from tests import bad
from tests.builders import build

SCHEMAS = {7: avro.schema(AssignmentAccepted), 8: avro.schema(Control)}
USUAL = build(AssignmentAccepted)
FIRST = "the-first-letter"


def letter(value: bytes | None, *, reason: str = "malformed", key: bytes | None = USUAL.key.encode(), **given: Any) -> DeadLetter:
    size = -1 if value is None else len(value)
    return build(DeadLetter, origin_topic=ASSIGNMENTS.name, reason=reason, raw_key=key, raw_value=value, **{"size": size} | given)


def opened(value: bytes | None, name: str | None = None, **given: Any):
    return open_letter(letter(value, **given), SCHEMAS.get, name)


def fields_of(event: AssignmentAccepted, **other: Any) -> dict[str, Any]:
    return {name: plain(value) for name, value in event.__dict__.items()} | other


def test_an_edited_event_keeps_the_id_that_its_bytes_tell() -> None:
    broken = bad.frame(USUAL, 7, lateness_s=float("nan"))
    values = fields_of(USUAL, lateness_s=5.0)
    del values["event_id"]

    event = edited(opened(broken), values, None, FIRST)

    assert event == build(AssignmentAccepted, lateness_s=5.0)


def test_an_edited_event_whose_id_cannot_be_read_has_one_that_follows_from_the_first_letter() -> None:
    values = fields_of(USUAL)
    del values["event_id"]

    first = edited(opened(b"junk"), values, "AssignmentAccepted", FIRST)
    again = edited(opened(b"other junk"), values, "AssignmentAccepted", FIRST)

    assert first.event_id == again.event_id == derived_id(FIRST) != derived_id("another")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"event_id": "mine"}, "AssignmentAccepted.event_id: expected 'AssignmentAccepted-1', the letter's first id"),
        ({"lateness_s": 1e9}, "AssignmentAccepted.lateness_s: input should be less than or equal to 604800, found 1000000000.0"),
        ({"lateness_s": "nan"}, "AssignmentAccepted.lateness_s: "),
        ({"at": "2013-03-09"}, "AssignmentAccepted.at: "),
        ({"latenes_s": 1.0}, "AssignmentAccepted.latenes_s: "),
    ],
)
def test_a_wrong_edit_is_refused_by_the_name_of_the_field(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault) as fault:
        edited(opened(bad.frame(USUAL, 7, lateness_s=float("nan"))), fields_of(USUAL, **change), None, FIRST)

    assert words in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_field_that_an_edit_leaves_out_is_named() -> None:
    values = fields_of(USUAL)
    del values["depot_id"]

    with pytest.raises(Fault, match=r"AssignmentAccepted\.depot_id: expected a value, found nothing"):
        edited(opened(bad.frame(USUAL, 7)), values, None, FIRST)


def test_which_event_it_is_must_be_known() -> None:
    with pytest.raises(Fault, match="does not tell which event it is: say it with --schema, one of AssignmentAccepted"):
        edited(opened(b"junk"), fields_of(USUAL), None, FIRST)
    with pytest.raises(Fault, match="no event is called 'AssignmentAcepted': did you mean AssignmentAccepted"):
        edited(opened(b"junk"), fields_of(USUAL), "AssignmentAcepted", FIRST)
    with pytest.raises(Fault, match=r"dispatch\.assignments\.v1 does not hold DelayPredicted"):
        edited(opened(b"junk"), fields_of(USUAL), "DelayPredicted", FIRST)


def test_an_edit_may_not_change_the_key() -> None:
    one = opened(bad.frame(USUAL, 7, lateness_s=float("nan")))

    with pytest.raises(Fault, match=r"AssignmentAccepted\.depot_id: expected 'depot_id-1', the letter's key, found 'elsewhere'"):
        as_event(one.letter, build(AssignmentAccepted, depot_id="elsewhere"), "edited", 7, keys=one.keys())


def test_a_letter_filed_under_a_wrong_key_goes_under_either_of_its_keys() -> None:
    one = opened(bad.frame(USUAL, 7), reason="bad_key", key=b"wrong")

    assert one.keys() == ("wrong", "depot_id-1")
    assert as_event(one.letter, USUAL, "edited", 7, keys=one.keys()).key == b"depot_id-1"


def test_a_letter_without_a_readable_key_goes_under_that_of_its_event() -> None:
    assert opened(bad.frame(USUAL, 7), key=None).keys() == ("depot_id-1",)
    assert opened(b"junk", key=b"\xff").keys() == ()


def test_an_edited_event_can_be_read_where_it_goes() -> None:
    one = opened(bad.frame(USUAL, 7, lateness_s=float("nan")))
    sent = as_event(one.letter, edited(one, fields_of(USUAL), None, FIRST), "edited", 7, keys=one.keys())

    batch = Reader(ASSIGNMENTS, SCHEMAS.get).read(Records.of(ASSIGNMENTS.name, 0, [(0, 0, sent.key, sent.value)]))

    assert list(batch.rows()) == [USUAL]
    assert (sent.sent_id, sent.partition, sent.how) == (USUAL.event_id, -1, "edited")


@pytest.mark.parametrize("value", [bad.frame(USUAL, 7)[5:], bad.frame(USUAL, 999), json.dumps(fields_of(USUAL)).encode()])
def test_an_event_without_frame_or_under_a_strange_id_or_as_json_is_read_by_its_name(value: bytes) -> None:
    assert redecoded(opened(value, "AssignmentAccepted"), "AssignmentAccepted", FIRST) == USUAL


def test_what_is_no_such_event_is_refused_with_the_field() -> None:
    with pytest.raises(Fault, match="is no AssignmentAccepted: field distance_km: the record ends inside this field"):
        redecoded(opened(bad.truncated(USUAL, 7)[1], "AssignmentAccepted"), "AssignmentAccepted", FIRST)
    with pytest.raises(Fault, match="is no AssignmentAccepted: 1 bytes too many"):
        redecoded(opened(bad.trailing(USUAL, 7)[1], "AssignmentAccepted"), "AssignmentAccepted", FIRST)
    with pytest.raises(Fault, match=r"AssignmentAccepted\.lateness_s"):
        redecoded(opened(bad.out_of_range(USUAL, 7)[1], "AssignmentAccepted"), "AssignmentAccepted", FIRST)


def test_a_letter_that_was_cut_cannot_be_sent_as_it_was() -> None:
    cut = letter(bytes(900), size=1_000_001)

    with pytest.raises(Fault, match="only 900 of 1,000,001 bytes were kept, so it cannot be sent again"):
        require_whole(cut)
    with pytest.raises(Fault, match="only 900 of 1,000,001 bytes were kept"):
        redecoded(open_letter(cut, SCHEMAS.get, "AssignmentAccepted"), "AssignmentAccepted", FIRST)


def test_a_null_and_an_empty_message_are_whole() -> None:
    require_whole(letter(None))
    require_whole(letter(b""))


def test_what_has_no_key_or_is_a_copy_goes_to_its_own_partition() -> None:
    control = bad.frame(build(Control, series="hours"), 8)
    assert unchanged(letter(b"junk", key=None, origin_partition=5), sent_id="", is_control=False).partition == 5
    assert open_letter(letter(control), SCHEMAS.get).is_control
    assert unchanged(letter(control, origin_partition=5), sent_id="", is_control=True).partition == 5
    assert unchanged(letter(b"junk", origin_partition=5), sent_id="", is_control=False).partition == -1


@pytest.mark.parametrize("raw", [b"", b"\x00\x00", b"{}", None])
def test_bytes_without_a_frame_have_no_schema(raw: bytes | None) -> None:
    assert framed(raw) is None
    assert opened(raw).read is None


@pytest.mark.parametrize(("text", "words"), [("{", "expected a JSON object"), ("[1]", "found list"), (None, "No such file")])
def test_a_file_that_holds_no_fields_is_refused_in_one_line(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "edit.json"
    if text is not None:
        file.write_text(text)

    with pytest.raises(Fault) as fault:
        edit_from(file)

    assert words in str(fault.value)
    assert "\n" not in str(fault.value)
