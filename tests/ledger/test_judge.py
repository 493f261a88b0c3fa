"""Does the judge see what is wrong? Fabricated logs, each with one thing that must not be."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.ledger.judge import Found, judge
from tests.ledger.logs import Record
from tests.ledger.oracle import Expected

IDS = [f"id-{i}" for i in range(4)]


def wire(one: str, rest: bytes = b"rest") -> bytes:
    """Return what an event looks like to the judge: frame, id, anything."""
    return bytes(5) + bytes([2 * len(one)]) + one.encode() + rest


def log(*values: bytes) -> list[Record]:
    return [Record(i, 1_000 * i, None, value) for i, value in enumerate(values)]


def expected() -> Expected:
    return Expected(
        [[(one, wire(one)) for one in IDS], []],
        {"letter": wire("letter")},
        [{"ids": 4, "rows": {b"k": b"v"}}, {"ids": 0}],
        [4, 0],
        4,
    )


def found() -> Found:
    told = log(*map(wire, IDS))
    return Found([told, []], log(wire("letter")), [{"ids": 4, "rows": {b"k": b"v"}}, {"ids": 0}], [4, -1], [0, 0])


def test_what_is_as_it_should_be_is_sound() -> None:
    verdict = judge(expected(), found())

    assert verdict.sound, verdict
    assert (verdict.outputs, verdict.repeated, verdict.silences_s) == (5, 0, [1.0, 0.0])


def test_an_output_told_again_byte_for_byte_is_counted_and_does_no_harm() -> None:
    verdict = judge(expected(), replace(found(), outputs=[log(*map(wire, [*IDS, IDS[2]])), []]))

    assert verdict.sound, verdict
    assert verdict.repeated == 1


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("missing", lambda f: replace(f, outputs=[f.outputs[0][:2] + f.outputs[0][3:], []])),
        ("missing", lambda f: replace(f, letters=[])),
        ("wrong", lambda f: replace(f, outputs=[log(*map(wire, IDS[:3]), wire(IDS[3], b"resT")), []])),
        ("wrong", lambda f: replace(f, outputs=[log(*map(wire, IDS), wire(IDS[0], b"Rest")), []])),
        ("wrong", lambda f: replace(f, letters=log(wire("letter", b"")))),
        ("strange", lambda f: replace(f, outputs=[log(*map(wire, [*IDS, "id-9"])), []])),
        ("strange", lambda f: replace(f, outputs=[f.outputs[0], log(wire(IDS[1]))])),
        ("astray", lambda f: replace(f, outputs=[log(*map(wire, [IDS[0], IDS[2], IDS[1], IDS[3]])), []])),
        ("memory", lambda f: replace(f, memory=[{"ids": 4, "rows": {b"k": b"w"}}, f.memory[1]])),
        ("memory", lambda f: replace(f, memory=[{"ids": 4, "rows": {}}, f.memory[1]])),
        ("memory", lambda f: replace(f, reached=[3, -1])),
        ("lag", lambda f: replace(f, lags=[0, 2])),
    ],
)
def test_the_judge_notices(what: str, spoil: Callable[[Found], Found]) -> None:
    verdict = judge(expected(), spoil(found()))

    assert getattr(verdict, what) > 0, verdict
    assert not verdict.sound
    assert verdict.faults
    others = {"missing", "wrong", "strange", "astray", "memory", "lag"} - {what}
    assert {name: getattr(verdict, name) for name in others} == dict.fromkeys(others, 0), verdict
