"""Is the backend of a bundle chosen by what was measured, once, among those that are right?"""

import json
from itertools import count

import numpy as np
import pytest

from models.forest import Growth, answers
from models.forest import grow as boost
from models.forest import to_onnx as boosted_onnx
from models.scoring import ScoreFailed, Unsupported, scorer
from models.scoring.boosted import to_file
from models.scoring.choice import choose, difference, prepare
from tests.unit.models.growing import forest_node, grow, model, rows


class Clock:
    """Seconds that pass only when a backend works."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow:
    """A backend that takes its time: so many seconds a call and a row."""

    def __init__(self, clock: Clock, *, call: float, row: float, off_by: float = 0.0, broken: bool = False) -> None:
        self.name, self.clock, self.call, self.row, self.off_by, self.broken = "onnxruntime", clock, call, row, off_by, broken

    def warm(self) -> None:
        if self.broken:
            raise ScoreFailed("the model part failed: no such thing")
        self.clock.now += 100.0

    def __call__(self, x):
        self.clock.now += self.call + self.row * len(x)
        return x[:, 0] + np.float32(self.off_by)


X = np.linspace(1, 2, 300, dtype=np.float32).reshape(100, 3)


def test_the_best_is_the_quickest_over_all_sizes_and_warming_does_not_count() -> None:
    clock = Clock()
    slow, quick = Slow(clock, call=1e-5, row=5e-6), Slow(clock, call=3e-6, row=1e-6)

    table = choose({"onnxruntime": slow, "forest": quick}, X, X[:, 0], clock=clock)

    assert table.best == "forest"
    measured = table.as_dict()["measured"]
    assert measured["forest"] == {"us_per_row": {"1": 4.0, "64": 1.047, "1000": 1.003}, "difference": 0.0}
    assert measured["onnxruntime"]["us_per_row"] == {"1": 15.0, "64": 5.156, "1000": 5.01}


def test_a_backend_that_answers_otherwise_or_not_at_all_is_refused_however_quick() -> None:
    clock = Clock()
    wrong, broken = Slow(clock, call=0, row=1e-9, off_by=0.001), Slow(clock, call=0, row=1e-9, broken=True)

    table = choose({"onnxruntime": Slow(clock, call=1, row=1), "forest": wrong, "xgboost": broken}, X, X[:, 0], clock=clock)

    assert table.best == "onnxruntime"
    assert list(table.lines) == ["onnxruntime"]
    assert table.refused["forest"] == "its answers differ by 0.000668 of their mean size, more than 1e-05"
    assert table.refused["xgboost"] == "the model part failed: no such thing"


def test_if_none_is_right_nothing_is_chosen() -> None:
    clock = Clock()

    with pytest.raises(Unsupported, match="no backend answers as the trained model does"):
        choose({"forest": Slow(clock, call=0, row=0, off_by=1.0)}, X, X[:, 0], clock=clock)


def test_answers_that_are_no_numbers_are_infinitely_far() -> None:
    assert difference(np.array([1.0, np.nan]), np.array([1.0, 2.0])) == np.inf
    assert difference(np.array([1.0]), np.array([1.0, 2.0])) == np.inf
    assert difference(np.zeros(2), np.zeros(2)) == 0.0


def test_a_boosted_forest_is_measured_on_every_backend_and_all_agree() -> None:
    random = np.random.default_rng(7)
    x = random.normal(size=(600, 5)).astype(np.float32)
    x[random.random(x.shape) < 0.1] = np.nan
    used = [3, 0, 1]
    truth = 50.0 * np.nan_to_num(x[:, 3]).astype(np.float64) + 300.0
    booster = boost(np.ascontiguousarray(x[:, used]), truth, Growth(trees=20, leaf_rows=5.0))
    files = {"model.onnx": boosted_onnx(booster, used, 5), "model.ubj": to_file(booster, used, 5)}
    ticks = count()

    found, table = prepare(files, x, answers(booster, x[:, used]), clock=lambda: float(next(ticks)))

    assert set(table.lines) == {"onnxruntime", "forest", "xgboost"}
    assert max(line.difference for line in table.lines.values()) < 1e-6
    assert found.items() >= files.items()
    assert json.loads(json.dumps(table.as_dict())) == table.as_dict()
    assert difference(scorer(table.best, found)(x), answers(booster, x[:, used])) < 1e-6


def test_a_graph_that_is_no_forest_stays_with_onnxruntime_and_the_table_says_why() -> None:
    from onnx import helper

    grown = grow(2, trees=3, depth=3)
    graph = model([forest_node(grown.attributes(), "x", "a"), helper.make_node("Abs", ["a"], ["y"])])
    x = rows(3, 100, grown)
    ticks = count()

    files, table = prepare({"model.onnx": graph}, x, scorer("onnxruntime", {"model.onnx": graph})(x), clock=lambda: next(ticks))

    assert table.best == "onnxruntime"
    assert set(files) == {"model.onnx"}
    assert table.as_dict()["refused"] == {"forest": "Abs: not an operator that this backend runs"}
