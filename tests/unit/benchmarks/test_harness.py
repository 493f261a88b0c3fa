"""Does the harness measure the part it says, and see every kind of wrong answer?"""

import struct
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.benchmarks import memory, scoring
from tests.benchmarks.harness.chart import Bar, Line, bars, lines
from tests.benchmarks.harness.ends import Sample, slope
from tests.benchmarks.harness.measure import Run
from tests.benchmarks.work import verify, wire
from tests.benchmarks.work.reference import Reference

RIGHT = Reference(
    np.array([7, 1999, 7]), np.arange(60, dtype=np.float32).reshape(3, 20) / np.float32(3), np.array([1.5, -20.25, 300.0])
)


def zigzag(n: int) -> bytes:
    """Avro's form of a small number."""
    return bytes([2 * n])


def text(value: str) -> bytes:
    """Avro's form of a short text."""
    return zigzag(len(value)) + value.encode()


def answer(i: int, *, job: str | None = None, delay: float | None = None, version: str = "rf-1", ours: bool = False) -> bytes:
    """The bytes of an answer to job i, by the specification."""
    own = text("0" * 32) + b"\xb0\xa9\xd5\xed\xeef" + text(wire.assignment_id(i)) if ours else b""
    courier = text(f"c{RIGHT.courier[i]:05d}") if ours else b""
    features = zigzag(20) + struct.pack("<20d", *RIGHT.features[i].tolist()) + b"\x00"
    said = struct.pack("<d", RIGHT.delay_s[i] if delay is None else delay)
    return wire.head(2) + own + text(job or wire.assignment_id(i)) + courier + said + text(version) + features


def key(i: int) -> bytes:
    """The key of job i."""
    return f"c{RIGHT.courier[i]:05d}".encode()


@pytest.mark.parametrize("ours", [False, True])
def test_a_right_answer_is_right_in_either_form(ours: bool) -> None:
    index, error, good = verify.compare([key(2), key(0)], [answer(2, ours=ours), answer(0, ours=ours)], RIGHT)
    assert index.tolist() == [2, 0]
    assert good.all()
    assert error.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("raw", "from_key"),
    [
        (answer(1, delay=-20.252), key(1)),
        (answer(1, delay=float("nan")), key(1)),
        (answer(1, job="as-00000009"), key(1)),
        (answer(1, job="as-0000000x"), key(1)),
        (answer(1, job="as-00000002"), key(1)),
        (answer(1, version="rf-2"), key(1)),
        (answer(1), key(0)),
        (answer(1), None),
        (answer(1)[:-1] + b"\x02", key(1)),
        (b"\x00\x00\x00\x00\x01" + answer(1)[5:], key(1)),
        (answer(1) + b"\x00", key(1)),
        (b"", key(1)),
    ],
)
def test_a_wrong_answer_is_seen_beside_a_right_one(raw: bytes, from_key: bytes | None) -> None:
    _, _, good = verify.compare([key(0), from_key, key(2)], [answer(0), raw, answer(2)], RIGHT)  # type: ignore[list-item]
    assert good.tolist() == [True, False, True]


def test_a_feature_that_is_off_by_more_than_the_tolerance_is_wrong() -> None:
    off = Reference(RIGHT.courier, RIGHT.features + np.float32(0.002), RIGHT.delay_s)
    _, error, good = verify.compare([key(0)], [answer(0)], off)
    assert not good.any()
    assert error[0] == pytest.approx(0.002, abs=1e-4)


def sample(at_s: float, outputs: int, cpu_s: float) -> Sample:
    """A moment of a run with one thread and one stage."""
    return Sample(at_s, outputs, cpu_s, {1: cpu_s / 2}, {"score": cpu_s / 4})


def test_the_slope_leaves_out_start_and_end() -> None:
    run = [sample(0, 0, 0), sample(10, 100, 5), sample(11, 300, 6), sample(12, 900, 7.2), sample(13, 1000, 9)]
    found = slope(run)
    assert (found.records, found.seconds, found.records_per_s) == (600, 1, 600)
    assert found.us(found.cpu_s) == pytest.approx(2000)
    assert found.threads == {1: pytest.approx(0.6)}
    assert found.stages == {"score": pytest.approx(0.3)}


def test_a_run_too_short_for_a_slope_is_taken_whole() -> None:
    found = slope([sample(0, 0, 0), sample(1, 0, 0.5), sample(1.5, 1000, 1.0)])
    assert (found.records, found.seconds) == (1000, 0.5)


@pytest.mark.parametrize("run", [[], [sample(0, 0, 0), sample(1, 0, 1)], [sample(0, 1000, 1)]])
def test_a_run_with_nothing_to_measure_says_so(run: list[Sample]) -> None:
    with pytest.raises(RuntimeError, match="nothing to measure"):
        slope(run)


@pytest.mark.parametrize(("after", "flat"), [(0.0, True), (2.9, True), (8.0, False)])
def test_memory_that_grows_by_the_part_is_not_flat(after: float, flat: bool) -> None:
    assert memory.flat([100.0, 250.0, *(300.0 + after * part for part in range(8))])["flat"] is flat


def test_pictures_are_well_formed_and_show_every_name() -> None:
    for picture in (
        bars("a < b", "c & d", [Bar("ours", 3.0, "3/s", ours=True), Bar("other's", 1.0, "1/s")]),
        lines("title", "under it", ["1 M", "2 M"], [Line("ours", [1.0, 2.0], ours=True), Line("other's", [3.0, 0.5])], "ms"),
    ):
        said = " ".join(ElementTree.fromstring(picture).itertext())
        assert "ours" in said
        assert "other's" in said


def test_a_ratio_is_our_worse_run_over_their_better_one() -> None:
    def run(speed: float, us: float) -> Run:
        right = verify.Verdict(10, 10, 0, 0, 0, 0.0, 192.0)
        return Run(
            "x", 10, speed, us, 100.0, 1.0, cut=False, load_average=0.5, verdict=right, stages_us={}, threads_us={}, other={}
        )

    found = scoring.answer({"ours": [run(300.0, 3.0), run(200.0, 4.0)], "loop": [run(40.0, 20.0), run(50.0, 24.0)]}, [])
    assert (found["records_per_s"], found["peers"]) == (300, {"loop": 50})
    assert (found["ratios"], found["cpu_ratios"]) == ({"loop": 4.0}, {"loop": 6.0})
