"""Does the desk tell letters of one cause from others, find what a person means, and know the story of each?"""

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from affluent import cli
from affluent.letter_choice import Filters, chosen, meant, moment, one
from affluent.letter_pages import cause_page, causes, letter_as_dict, letter_page
from consumers.letters import Entry, Letters
from infra.errors import Fault
from producers.mending import open_letter
from schemas import avro
from schemas.causes import cause_of, normal
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted
from schemas.letters import DeadLetter, LetterDiscarded, LetterRedriven
from tests import bad
from tests.builders import build

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FACTS = ASSIGNMENTS.name


def entry(
    number: int, *, agent: str = "predict_delay", reason: str = "malformed", detail: str = "found 7", offset: int | None = None
):
    place = (FACTS, 0, number if offset is None else offset)
    at = NOW - timedelta(hours=10 - number)
    return Entry(f"letter-{number}", at, cause_of(agent, FACTS, reason, detail), place, (0, number))


def letters(*entries: Entry) -> Letters:
    made = Letters()
    for each in entries:
        made.take_in(each)
    return made


def redriven(number: int, *, lies_at: int, by: str = "ann") -> LetterRedriven:
    return build(
        LetterRedriven, event_id=f"r{number}", at=NOW, cause=f"letter-{number}", origin_topic=FACTS, by=by, how="unchanged",
        sent_id="e1", sent_partition=0, sent_offset=lies_at,
    )  # fmt: skip


def discarded(number: int, why: str = "a test") -> LetterDiscarded:
    return build(LetterDiscarded, event_id=f"d{number}", at=NOW, cause=f"letter-{number}", origin_topic=FACTS, by="bob", why=why)


@pytest.mark.parametrize(
    ("one_detail", "other_detail"),
    [
        ("field a: expected 0 to 9, found 12", "field a: expected 0 to 9, found 1e+16"),
        ("KeyError: 'order-1'", "KeyError: 'order-2'"),
        ("field k: expected it to be the record's key, 'ann'; found 'bob'", "field k: expected it to be the record's key, 'x'; found ''"),
        ("expected a zero byte and a schema id, found 7b 22", "expected a zero byte and a schema id, found ff 01 02 aa bb"),
        ("no job 3fa85f64-5717-4562-b3fc-2c963f66afa6 is open", "no job 00000000-0000-0000-0000-000000000001 is open"),
        ("field a: expected a finite number, found nan", "field a: expected a finite number, found -inf"),
    ],
)  # fmt: skip
def test_details_that_differ_by_a_value_are_one_cause(one_detail: str, other_detail: str) -> None:
    assert normal(one_detail) == normal(other_detail)


@pytest.mark.parametrize(
    ("one_detail", "other_detail"),
    [
        ("field orders_last_15min: found 1", "field orders_last_60min: found 1"),
        ("KeyError: 'distance_km'", "KeyError: 'planned_s'"),
        ("field a: expected UTF-8, found other bytes", "field a: expected a list, found other bytes"),
        ("expected a value, found null", "expected a value, found no bytes"),
    ],
)
def test_details_that_differ_by_more_are_two(one_detail: str, other_detail: str) -> None:
    assert normal(one_detail) != normal(other_detail)


def test_a_letter_that_a_worker_told_twice_is_one() -> None:
    found = letters(entry(1), entry(2, offset=50), entry(2, offset=50))
    found.learn(redriven(1, lies_at=50))

    assert len(found.entries) == 2
    assert found.came_back(found.entries["letter-1"]) == [found.entries["letter-2"]]


def test_each_letter_is_open_until_it_is_sent_again_or_laid_aside() -> None:
    found = letters(entry(1), entry(2), entry(3))
    found.learn(redriven(1, lies_at=50))
    found.learn(discarded(2))

    assert [found.state(each) for each in found.entries.values()] == ["redriven", "discarded", "open"]


def test_a_message_that_two_agents_could_not_use_is_sent_once_for_both() -> None:
    found = letters(entry(1), entry(2, agent="another", offset=1))
    found.learn(redriven(1, lies_at=50))

    assert {found.state(each) for each in found.entries.values()} == {"redriven"}


def test_a_letter_that_came_back_is_linked_to_the_first_however_often() -> None:
    found = letters(entry(1), entry(2, offset=50), entry(3, offset=60))
    found.learn(redriven(1, lies_at=50))
    found.learn(redriven(2, lies_at=60))
    first, second, third = found.entries.values()

    assert found.came_back(first) == [second]
    assert found.came_from(third) == second
    assert found.first(third) == first
    assert found.state(third) == "open"


def test_causes_are_counted_with_an_open_sample_and_most_open_first() -> None:
    found = letters(*(entry(n, detail=f"found {n}") for n in range(1, 5)), entry(5, reason="null"), entry(6, offset=50))
    found.learn(redriven(1, lies_at=50))
    found.learn(discarded(2))

    most, other = causes(found, found.entries.values())

    assert (most["letters"], most["open"], most["redriven"], most["discarded"], most["came_back"]) == (5, 3, 1, 1, 1)
    assert (most["sample"], most["detail"]) == ("letter-3", "found #")
    assert (most["first"], most["last"]) == ("2026-11-21T03:00:00Z", "2026-11-21T08:00:00Z")
    assert (other["reason"], other["open"]) == ("null", 1)


def test_a_group_is_what_agrees_with_everything_that_was_said() -> None:
    found = letters(entry(1), entry(2, agent="another"), entry(3, reason="null"), entry(4, detail="another"))

    def ids(**said: str) -> list[str]:
        return [each.id for each in chosen(found, Filters(**said), NOW)]

    assert ids(agent="predict_delay") == ["letter-1", "letter-3", "letter-4"]
    assert ids(agent="predict_delay", reason="malformed") == ["letter-1", "letter-4"]
    assert ids(since="7h") == ["letter-3", "letter-4"]
    assert ids(like="letter-1") == ["letter-1"]


def test_a_letter_is_found_by_the_beginning_of_its_id_if_no_other_begins_so() -> None:
    found = letters(entry(11), entry(12), entry(2))

    assert one(found, "letter-2").id == "letter-2"
    assert one(found, "letter-11") is found.entries["letter-11"]
    with pytest.raises(Fault, match="2 letters begin with 'letter-1'"):
        one(found, "letter-1")


@pytest.mark.parametrize(
    ("id_", "said", "words"),
    [
        ("nobody", {}, "no dead letter is called 'nobody'"),
        ("letter-1", {}, "was sent again 2026-11-21 12:00:00 by ann and is not sent twice: it lies at dispatch.assignments.v1"),
        ("letter-2", {}, "was discarded 2026-11-21 12:00:00 by bob: a test"),
        (None, {"agent": "nobody"}, "no dead letter has agent 'nobody'; there are letters of agent predict_delay"),
        (None, {"reason": "malformed"}, "no open letter has reason 'malformed'"),
        (None, {"since": "yesterday"}, "since: expected a span"),
        (None, {"since": "999999d"}, "since: expected a span"),
        (None, {"like": "nothing"}, "no dead letter is called 'nothing'"),
    ],
)  # fmt: skip
def test_what_nobody_can_mean_is_said_in_one_line(id_: str | None, said: dict[str, str], words: str) -> None:
    found = letters(entry(1), entry(2))
    found.learn(redriven(1, lies_at=50))
    found.learn(discarded(2))

    with pytest.raises(Fault) as fault:
        meant(found, id_, Filters(**said), NOW)

    assert words in str(fault.value)
    assert "\n" not in str(fault.value)


def test_an_empty_topic_is_told_from_a_wrong_word() -> None:
    with pytest.raises(Fault, match="there are none at all"):
        chosen(Letters(), Filters(agent="x"), NOW)


def test_a_moment_is_a_span_or_a_time() -> None:
    assert moment("2h", NOW) == NOW - timedelta(hours=2)
    assert moment("2026-11-21T10:00+02:00", NOW) == NOW - timedelta(hours=4)


def test_the_page_of_causes_fits_100_columns_and_cuts_no_id(capsys: pytest.CaptureFixture[str]) -> None:
    found = letters(
        *(entry(n, detail=f"field lateness_s: expected -604800.0 to 604800.0, found {n}" + "!" * 40 * n) for n in range(1, 4))
    )

    cause_page(causes(found, found.entries.values()), unreadable=2)

    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 100
    assert all(word in out for word in ("letter-1", "2026-11-21 03:00", "predict_delay of dispatch.assignments.v1", "2 records"))


def test_the_page_of_a_letter_marks_the_field_at_fault(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = next(each for each in bad.every(7) if each.name == "out of range")
    letter = build(
        DeadLetter, event_id="letter-1", origin_topic=FACTS, reason=wrong.reason, raw_key=wrong.key, raw_value=wrong.value,
        detail="field lateness_s: expected -604800.0 to 604800.0, found 1000000000.0", size=len(wrong.value or b""),
    )  # fmt: skip
    found = letters(entry(1))
    found.learn(redriven(1, lies_at=50))
    opened = open_letter(letter, {7: avro.schema(AssignmentAccepted)}.get)

    letter_page(letter_as_dict(found, found.entries["letter-1"], opened, "out_of_range: it is"))

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "at fault" in line] == ["lateness_s"]
    assert max(map(len, lines)) <= 100
    assert any("redriven" in line and "ann" in line and f"{FACTS}[0]@50" in line for line in lines)


@pytest.mark.parametrize(("message", "fault_in", "unread"), [("truncated", "distance_km", 2), ("not UTF-8", "event_id", 0)])
def test_a_letter_is_shown_by_field_up_to_the_one_at_fault(message: str, fault_in: str, unread: int) -> None:
    wrong = next(each for each in bad.every(7) if each.name == message)
    letter = build(
        DeadLetter, event_id="letter-1", origin_topic=FACTS, reason=wrong.reason, detail="it is bad", raw_key=wrong.key,
        raw_value=wrong.value, size=len(wrong.value or b""),
    )  # fmt: skip
    found = letters(entry(1))

    told = letter_as_dict(found, found.entries["letter-1"], open_letter(letter, {7: avro.schema(AssignmentAccepted)}.get), None)

    assert (told["fault_in"], len(told["unread"])) == (fault_in, unread)
    assert told["fields"]["depot_id"] == "depot_id-1"
    assert told["value_hex"] == (wrong.value or b"").hex()


@pytest.mark.parametrize(
    "words",
    [
        ["redrive"],
        ["redrive", "some-id", "--agent", "predict_delay"],
        ["redrive", "--agent", "predict_delay", "--edit", "file.json"],
        ["discard", "some-id"],
        ["discard", "--why", "no reason"],
        ["show"],
        ["lst"],
    ],
)
def test_a_command_written_wrongly_ends_with_2(words: list[str]) -> None:
    answer = CliRunner().invoke(cli.app, ["letters", *words])

    assert answer.exit_code == 2
    assert "Traceback" not in answer.output
