"""Does an event leave when it is due, and never because another one left?"""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import Fault
from producers.pace import STEP_S, Pacer, schedule


@dataclass
class Clock:
    """Time that passes only while somebody sleeps, or `slow` seconds with every look at it."""

    now: float = 1_000.0
    slow: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        self.now += self.slow
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def leaving(at_ms: list[int], clock: Clock, **plan: float) -> list[float]:
    """Return when each event left, seconds since the start."""
    pacer = Pacer(schedule(**plan), clock=clock, sleep=clock.sleep)
    left: list[float] = []
    start = clock.now
    for first, last in pacer.spans(np.array(at_ms, np.int64)):
        assert first == len(left)
        left += [clock.now - start] * (last - first)
    return left


moments = st.lists(st.integers(0, 10_000), max_size=50).map(lambda found: [1_362_850_200_000 + ms for ms in sorted(found)])


@given(moments, st.floats(0.5, 100))
def test_in_event_time_each_event_leaves_when_due_and_at_most_a_step_later(at_ms: list[int], times: float) -> None:
    left = leaving(at_ms, Clock(), speed_up=times)
    for at, when in zip(at_ms, left, strict=True):
        due = (at - at_ms[0]) / 1000 / times
        assert due - 1e-6 <= when <= due + STEP_S + 1e-6


@given(st.integers(0, 500), st.floats(1, 10_000))
def test_at_a_rate_events_leave_evenly_whatever_their_time(n: int, per_s: float) -> None:
    left = leaving([5] * n, Clock(), rate=per_s)
    assert len(left) == n
    assert all(i / per_s - 1e-6 <= when <= i / per_s + STEP_S + 1e-6 for i, when in enumerate(left))


def test_without_a_plan_nobody_sleeps() -> None:
    clock = Clock()
    assert len(leaving(list(range(1_000)), clock)) == 1_000
    assert clock.slept == []


def test_a_slow_receiver_does_not_slow_the_schedule() -> None:
    clock = Clock(slow=0.25)
    left = leaving([0] * 100, clock, rate=100.0)
    assert left[-1] < 1.0 + 2 * 0.25 + STEP_S


def test_how_late_we_were_is_told() -> None:
    clock = Clock()
    pacer = Pacer(schedule(rate=10.0), clock=clock, sleep=clock.sleep)
    spans = pacer.spans(np.zeros(100, np.int64))
    next(spans)
    clock.now += 3.0
    next(spans)
    assert pacer.behind_s == pytest.approx(2.9, abs=0.01)


def test_an_event_that_comes_late_leaves_with_its_neighbour() -> None:
    left = leaving([0, 2_000, 1_000, 3_000], Clock(), speed_up=1.0)
    assert left == pytest.approx([0.0, 2.0, 2.0, 3.0], abs=STEP_S)


def test_a_schedule_goes_on_over_chunks() -> None:
    clock = Clock()
    pacer = Pacer(schedule(rate=100.0), clock=clock, sleep=clock.sleep)
    for _ in range(5):
        assert sum(last - first for first, last in pacer.spans(np.zeros(20, np.int64))) == 20
    assert clock.now == pytest.approx(1_000.99, abs=0.01)


@pytest.mark.parametrize("plan", [{"rate": 0.0}, {"rate": -1.0}, {"speed_up": math.inf}, {"rate": math.nan}])
def test_a_pace_that_is_none_is_refused(plan: dict[str, float]) -> None:
    with pytest.raises(Fault, match="expected a number above 0"):
        schedule(**plan)


def test_two_paces_at_once_are_refused() -> None:
    with pytest.raises(Fault, match="found both"):
        schedule(rate=1.0, speed_up=1.0)
