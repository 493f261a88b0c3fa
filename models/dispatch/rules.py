"""What would a simple rule say? The baseline every model is measured against, trained and kept in the same bundle.

Flights: lateness at the start plus the median gain of the lane (company and route of a depot), of the company where the
lane is new, of all where the company is. Restaurant: mean delay by weekday and hour. A lookup for a batch is one binary
search, no loop over rows.
"""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from models.dispatch.gains import HOUR, LATENESS, WEEKDAY
from schemas.columns import Columns, Strings, hash_strings
from schemas.dispatch import AssignmentAccepted

Floats = NDArray[np.float64]
_HOURS, _DAYS = 24, 7


class Rule(Protocol):
    """A simple rule: answers, and can be written down."""

    def predict(self, jobs: Columns[AssignmentAccepted], x: NDArray[np.float32]) -> Floats:
        """Return the delay of each job, seconds, float64 (n,)."""
        ...

    def to_json(self) -> bytes:
        """Return the rule as it stands in `baseline.json`."""
        ...


@dataclass(frozen=True)
class Medians:
    """A value per key, kept sorted by hash."""

    names: tuple[tuple[str, ...], ...]
    values: Floats

    @classmethod
    def of(cls, keys: tuple[Strings, ...], values: Floats) -> "Medians":
        """Return the median of the values of each key."""
        hashes, first, group = np.unique(hash_strings(*keys)[:, 0], return_index=True, return_inverse=True)
        order = np.lexsort((values, group))
        starts = np.searchsorted(group[order], np.arange(len(hashes) + 1))
        low, high = (starts[:-1] + starts[1:] - 1) // 2, (starts[:-1] + starts[1:]) // 2
        ranked = values[order]
        names = zip(*(key.take(first).tolist() for key in keys), strict=True)
        return cls(tuple(names), (ranked[low] + ranked[high]) / 2.0)

    def __post_init__(self) -> None:
        """Sort by hash."""
        columns = [Strings.of(each) for each in zip(*self.names, strict=True)]
        hashes = hash_strings(*columns)[:, 0] if columns else np.empty(0, np.uint64)
        order = np.argsort(hashes)
        object.__setattr__(self, "_sorted", (hashes[order], np.asarray(self.values, np.float64)[order]))

    def find(self, keys: tuple[Strings, ...], otherwise: Floats) -> Floats:
        """Return each row's value, `otherwise`'s where the key is unknown."""
        known, values = self._sorted  # type: ignore[attr-defined]  # set above: the dataclass is frozen
        if not len(known):
            return otherwise
        hashes = hash_strings(*keys)[:, 0]
        place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        return np.where(known[place] == hashes, values[place], otherwise)

    def rows(self) -> list[list[Any]]:
        """Return [*names, value] of each key, sorted by name."""
        return [[*name, value] for name, value in sorted(zip(self.names, self.values.tolist(), strict=True))]


@dataclass(frozen=True)
class LaneMedian:
    """Lateness plus the median gain of the lane."""

    kind: ClassVar = "lane_median"
    lanes: Medians
    companies: Medians
    overall_s: float

    @classmethod
    def fit(cls, jobs: Columns[AssignmentAccepted], x: NDArray[np.float32], delay: Floats) -> "LaneMedian":
        """Learn from jobs whose delay is known."""
        gain = delay - x[:, LATENESS]
        return cls(Medians.of(_lane(jobs), gain), Medians.of((jobs["company_id"],), gain), float(np.median(gain)))

    def predict(self, jobs: Columns[AssignmentAccepted], x: NDArray[np.float32]) -> Floats:
        """Return the delay of each job, seconds."""
        company = self.companies.find((jobs["company_id"],), np.full(jobs.n, self.overall_s))
        return x[:, LATENESS] + self.lanes.find(_lane(jobs), company)

    def to_json(self) -> bytes:
        """Return the rule as JSON."""
        rows = {"lanes": self.lanes.rows(), "companies": self.companies.rows()}
        return json.dumps({"kind": self.kind, "overall_s": self.overall_s, **rows}).encode()


@dataclass(frozen=True)
class HourMean:
    """Mean delay by weekday and hour. means: float64 (7, 24), local time, Monday first."""

    kind: ClassVar = "hour_mean"
    means: Floats

    @classmethod
    def fit(cls, _jobs: Columns[AssignmentAccepted], x: NDArray[np.float32], delay: Floats) -> "HourMean":
        """Learn from jobs whose delay is known; an hour without any has the mean of all."""
        cells = _cell(x)
        counts = np.bincount(cells, minlength=_DAYS * _HOURS)
        sums = np.bincount(cells, delay, minlength=_DAYS * _HOURS)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), delay.mean())
        return cls(means.reshape(_DAYS, _HOURS))

    def predict(self, _jobs: Columns[AssignmentAccepted], x: NDArray[np.float32]) -> Floats:
        """Return the delay of each job, seconds."""
        return self.means.reshape(-1)[_cell(x)]

    def to_json(self) -> bytes:
        """Return the rule as JSON."""
        return json.dumps({"kind": self.kind, "means_s": self.means.tolist()}).encode()


def load(text: bytes) -> Rule:
    """Return the rule written in `baseline.json`. Raises ValueError if it is none."""
    found = json.loads(text)
    if found["kind"] == LaneMedian.kind:
        lanes, companies = (_medians(found[name]) for name in ("lanes", "companies"))
        return LaneMedian(lanes, companies, float(found["overall_s"]))
    if found["kind"] == HourMean.kind:
        return HourMean(np.array(found["means_s"], np.float64).reshape(_DAYS, _HOURS))
    raise ValueError(f"baseline.json: expected kind {LaneMedian.kind} or {HourMean.kind}, found {found['kind']!r}")


def _medians(rows: list[list[Any]]) -> Medians:
    return Medians(tuple(tuple(row[:-1]) for row in rows), np.array([row[-1] for row in rows], np.float64))


def _lane(jobs: Columns[AssignmentAccepted]) -> tuple[Strings, ...]:
    return jobs["depot_id"], jobs["company_id"], jobs["route_id"]


def _cell(x: NDArray[np.float32]) -> NDArray[np.int64]:
    return x[:, WEEKDAY].astype(np.int64) * _HOURS + np.minimum(x[:, HOUR].astype(np.int64), _HOURS - 1)
