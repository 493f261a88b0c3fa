"""When is each event due? At a rate, in event time made faster, or at once.

The schedule does not wait for anybody (an open loop): what is overdue is sent at once, so a slow receiver meets the load that a
real one would, and `behind_s` says how late we were.
"""

import math
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from infra.errors import Fault

STEP_S = 0.002
"""Events due within one step leave together: sleeping for each alone would cost more than sending it."""


class Schedule(Protocol):
    """Says when events are due."""

    def due_s(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return seconds since the first event of all for the next events. at: when they happened, ms."""


class AtOnce:
    """As fast as it goes."""

    def due_s(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return zeros."""
        return np.zeros(len(at))


class Rate:
    """So many events a second, whenever they happened. Raises Fault for a rate that is none."""

    def __init__(self, per_s: float) -> None:
        self._per_s = _positive("rate", per_s)
        self._sent = 0

    def due_s(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return evenly spaced times."""
        due = np.arange(self._sent, self._sent + len(at)) / self._per_s
        self._sent += len(at)
        return due


class SpeedUp:
    """As it happened, so many times faster. Raises Fault for a factor that is none."""

    def __init__(self, times: float) -> None:
        self._times = _positive("speed-up", times)
        self._first: int | None = None

    def due_s(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return event time since the first event, divided by the factor."""
        if self._first is None and len(at):
            self._first = int(at[0])
        return (at - (self._first or 0)) / (1000.0 * self._times)


def schedule(rate: float | None = None, speed_up: float | None = None) -> Schedule:
    """Return the schedule that was asked for. Raises Fault if both were, or one is not a number above 0."""
    if rate is not None and speed_up is not None:
        raise Fault("rate and speed-up: expected one of them, found both")
    if rate is not None:
        return Rate(rate)
    return AtOnce() if speed_up is None else SpeedUp(speed_up)


class Pacer:
    """Keeps to a schedule by a clock (seconds, from anywhere) and a way to sleep."""

    def __init__(self, plan: Schedule, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._plan, self._clock, self._sleep = plan, clock, sleep
        self._start: float | None = None
        self.behind_s = 0.0
        """How late the latest event left, seconds."""

    @property
    def passed_s(self) -> float:
        """Seconds since the first event was due."""
        return 0.0 if self._start is None else self._clock() - self._start

    def spans(self, at: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """Yield (first, last) of the next events, exclusive, as they fall due. at: when they happened, ms, in order."""
        if self._start is None:
            self._start = self._clock()
        # A late event (its time lies before its neighbour's) leaves with its neighbour: the order is the caller's.
        due = np.maximum.accumulate(self._plan.due_s(at)) if len(at) else np.empty(0)
        first = 0
        while first < len(at):
            passed = self._clock() - self._start
            if due[first] > passed:
                self._sleep(max(float(due[first]) - passed, STEP_S))
                continue
            last = int(np.searchsorted(due, passed, side="right"))
            if due[first] > 0:  # without a plan everything is due at the start, and nothing is late
                self.behind_s = max(self.behind_s, passed - float(due[first]))
            yield first, last
            first = last


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise Fault(f"{name}: expected a number above 0, found {value:g}")
    return value
