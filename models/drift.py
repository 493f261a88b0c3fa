"""Did the errors of a model change their level? An adaptive window per depot and source says when, and from what to what.

River's ADWIN (Bifet and Gavaldà, Learning from Time-Changing Data with Adaptive Windowing, SDM 2007) over absolute
errors. Its bound wants numbers in [0, 1]: an error is cut at `Policy.worst_s` and divided by it. Errors of neighbours in
time resemble each other more than the bound assumes, so alarms are more frequent than `delta` says. The detector's own
bytes are its row in the state, never a pickle.
"""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from river.__version__ import __version__ as river_version
from river._river_rust.drift import AdaptiveWindowing

from models.tables import State, TableSpec
from schemas.columns import Columns, Strings, hash_strings
from schemas.dispatch import DriftDetected, PredictionScored

_BYTES = 4_096
_RECENT = 32
"""The window looks for a change after every 32 labels: the last 32 stand for the time since."""
DETECTORS = TableSpec(
    f"detectors_river_{river_version}",  # another River, another table: rebuilt from the log
    np.dtype([("labels", "i8"), ("at_drift", "?"), ("recent", "f8", (_RECENT,)), ("size", "i4"), ("adwin", "u1", (_BYTES,))]),
)
DETECTOR = f"river.drift.ADWIN {river_version}"


@dataclass(frozen=True)
class Policy:
    """When is a change worth telling, and how grave is it?

    delta: ADWIN's confidence. worst_s: errors above count as this. medium, high: from which ratio of the mean error after
    to that before.
    """

    delta: float = 0.002
    worst_s: float = 3_600.0
    medium: float = 1.25
    high: float = 1.75


@dataclass(frozen=True)
class Drifts:
    """Changes found. rows: int64 (m,), of the scored predictions that showed them; fields: those of DriftDetected."""

    rows: NDArray[np.int64]
    fields: dict[str, Any]


def update(scored: Columns[PredictionScored], state: State, policy: Policy) -> Drifts:
    """Show every error to the detector of its depot and source, in order; return the changes found."""
    errors = np.minimum(np.abs(scored["error_s"]), policy.worst_s) / policy.worst_s
    table = state[DETECTORS]
    _, first, group = np.unique(hash_strings(scored["depot_id"], scored["source"])[:, 0], return_index=True, return_inverse=True)
    slots = table.slots(hash_strings(scored["depot_id"].take(first), scored["source"].take(first)))
    found: list[tuple[int, float, float, int]] = []
    for number, slot in enumerate(slots.tolist()):
        rows = np.flatnonzero(group == number)
        found += _watch(table.rows, slot, rows.tolist(), errors[rows].tolist(), policy)
    found.sort()
    rows = np.array([row for row, *_ in found], np.int64)
    before, after, labels = (np.array([change[k] for change in found], float) for k in (1, 2, 3))
    return Drifts(rows, _fields(scored.take(rows), before, after, labels.astype(np.int64), policy))


def _watch(
    rows: NDArray[Any], slot: int, numbers: list[int], errors: list[float], policy: Policy
) -> list[tuple[int, float, float, int]]:
    """Show errors to one detector; return (row, mean before, mean after, labels) of each change."""
    detector = _new(policy)
    size, labels, at_drift = int(rows["size"][slot]), int(rows["labels"][slot]), bool(rows["at_drift"][slot])
    if size:
        detector.__setstate__(rows["adwin"][slot, :size].tobytes())
    recent, changes = rows["recent"][slot].tolist(), []
    for number, error in zip(numbers, errors, strict=True):
        if at_drift:  # as river.drift.ADWIN does: after a change it begins anew
            detector = _new(policy)
        total, width = detector.get_total() + error, detector.get_width() + 1
        at_drift = detector.update(error)
        recent[labels % _RECENT] = error
        labels += 1
        if at_drift:
            since = min(labels, _RECENT)
            after = sum(recent[:since]) / since
            before = (total - after * since) / (width - since) if width > since else total / width
            changes.append((number, before, after, labels))
    raw = np.frombuffer(detector.__getstate__(), np.uint8)
    if len(raw) > _BYTES:
        raise ValueError(f"a detector's state has {len(raw)} bytes, at most {_BYTES} fit")
    rows["recent"][slot] = recent
    rows["labels"][slot], rows["size"][slot], rows["at_drift"][slot] = labels, len(raw), at_drift
    rows["adwin"][slot, : len(raw)] = raw
    rows["adwin"][slot, len(raw) :] = 0
    return changes


def _new(policy: Policy) -> AdaptiveWindowing:
    """An empty window with River's own defaults. Its compiled class, for `river.drift` imports sklearn, pandas and SQLAlchemy."""
    return AdaptiveWindowing(delta=policy.delta, clock=32, max_buckets=5, min_window_length=5, grace_period=10)


def _fields(
    scored: Columns[PredictionScored], before: NDArray[Any], after: NDArray[Any], labels: NDArray[np.int64], policy: Policy
) -> dict[str, Any]:
    kinds, severities = (list(get_args(DriftDetected.model_fields[name].annotation)) for name in ("kind", "severity"))
    ratio = after / np.maximum(before, 1e-9)
    severity = np.where(ratio >= policy.high, "high", np.where(ratio >= policy.medium, "medium", "low"))
    return {
        "depot_id": scored["depot_id"], "source": scored["source"], "model": scored["model"],
        "kind": np.full(scored.n, kinds.index("error"), np.uint8),
        "severity": np.array([severities.index(each) for each in severity.tolist()], np.uint8),
        "detector": Strings.repeated(DETECTOR, scored.n),
        "before_s": np.asarray(before) * policy.worst_s, "after_s": np.asarray(after) * policy.worst_s, "labels": labels,
    }  # fmt: skip
