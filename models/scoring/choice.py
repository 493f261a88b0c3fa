"""Which backend should a bundle name? The one that was quickest on its own rows, among those that answer as the trained model does.

Asked once, when the model is trained; the table goes into the manifest with the choice, so a replay on another machine runs the
same backend. The clock is handed in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.scoring.backends import BACKENDS, FILES, FOREST, ONNX, Backend, scorer
from models.scoring.contract import Rows, ScoreFailed, Scorer, Unsupported

SIZES = (1, 64, 1000)
TOLERANCE = 1e-5
"""How far an answer may be from the trained model's, as a share of the mean size of its answers."""

_ROWS_A_ROUND = 500


@dataclass(frozen=True)
class Line:
    """What one backend did. us_per_row: by rows a call; difference: the largest, as a share of the mean size of an answer."""

    us_per_row: Mapping[int, float]
    difference: float


@dataclass(frozen=True)
class Table:
    """What was measured, and the backend to name. refused: why the others are out of the question."""

    best: Backend
    lines: Mapping[Backend, Line]
    refused: Mapping[Backend, str]

    def as_dict(self) -> dict[str, Any]:
        """Return it as it stands in a manifest."""
        measured = {
            name: {
                "us_per_row": {str(size): round(us, 3) for size, us in line.us_per_row.items()},
                "difference": float(f"{line.difference:.3g}"),
            }
            for name, line in self.lines.items()
        }
        return {"tolerance": TOLERANCE, "measured": measured, "refused": dict(self.refused)}


def prepare(
    files: Mapping[str, bytes], x: Rows, expected: NDArray[Any], *, clock: Callable[[], float]
) -> tuple[dict[str, bytes], Table]:
    """Return the files that the bundle needs, and the table with the backend to name.

    files: `model.onnx`, and `model.ubj` where there is one. x: rows to measure on, as they come in service. expected: what the
    model, as it was trained, answers to them, (n,). Raises Unsupported if no backend answers like it.
    """
    found, refused = dict(files), dict[Backend, str]()
    if ONNX in found and FOREST not in found:
        from models.scoring.graph import read

        try:
            found[FOREST] = read(found[ONNX]).to_bytes()
        except Unsupported as reason:
            refused["forest"] = str(reason)
    candidates: dict[Backend, Scorer] = {name: scorer(name, found) for name in BACKENDS if FILES[name] in found}
    table = choose(candidates, x, expected, clock=clock)
    refused |= table.refused
    kept = {name: content for name, content in found.items() if name in files or name == FILES[table.best]}
    return kept, Table(table.best, table.lines, {name: refused[name] for name in BACKENDS if name in refused})


def choose(
    backends: Mapping[Backend, Scorer], x: Rows, expected: NDArray[Any], *, clock: Callable[[], float], rounds: int = 15
) -> Table:
    """Return the table of these backends; the best has the least geometric mean of its times, so no size decides alone.

    clock: seconds, any origin. rounds: of which the best one counts, the backends in turn within each. Raises Unsupported if
    none is within the tolerance.
    """
    refused: dict[Backend, str] = {}
    differences: dict[Backend, float] = {}
    for name, backend in backends.items():
        try:
            backend.warm()
            differences[name] = difference(backend(x), expected)
        except ScoreFailed as failure:
            refused[name] = str(failure)
            continue
        if not differences[name] <= TOLERANCE:
            refused[name] = f"its answers differ by {differences.pop(name):.3g} of their mean size, more than {TOLERANCE:g}"
    if not differences:
        raise Unsupported(f"no backend answers as the trained model does: {refused}")
    best: dict[tuple[Backend, int], float] = {}
    for size in SIZES:
        parts = _parts(x, size)
        for _ in range(rounds):
            for name in differences:
                spent = _seconds(backends[name], parts, clock) / (size * len(parts)) * 1e6
                best[name, size] = min(spent, best.get((name, size), spent))
    lines = {name: Line({size: best[name, size] for size in SIZES}, differences[name]) for name in differences}
    quickest = min(lines, key=lambda name: sum(log(max(us, 1e-9)) for us in lines[name].us_per_row.values()))
    return Table(quickest, lines, refused)


def difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the largest difference as a share of the mean size of what was expected; inf where one of them is no number.

    >>> difference(np.array([1.0, 2.5]), np.array([1.0, 3.0]))
    0.25
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape or not np.isfinite(found).all() or not np.isfinite(expected).all():
        return float("inf")
    largest = float(np.abs(found - expected).max(initial=0.0))
    return largest / max(float(np.abs(expected).mean()), float(np.finfo(np.float64).tiny)) if largest else 0.0


def _parts(x: Rows, size: int) -> list[Rows]:
    """Return a round's calls: other rows each time, as in service, for the same ones would be in the nearest cache."""
    calls = max(1, _ROWS_A_ROUND // size)
    rows = np.arange(calls * size) % len(x)
    return [np.ascontiguousarray(x[part]) for part in rows.reshape(calls, size)]


def _seconds(backend: Scorer, parts: list[Rows], clock: Callable[[], float]) -> float:
    started = clock()
    for part in parts:
        backend(part)
    return clock() - started
