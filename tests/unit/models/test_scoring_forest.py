"""Does a compiled forest answer as onnxruntime does, to the bit?"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.forest import Growth
from models.forest import grow as boost
from models.forest import to_onnx as boosted_onnx
from models.scoring import ScoreFailed, scorer
from models.scoring.ensemble import Ensemble
from models.scoring.forest import FEW
from models.scoring.graph import read
from models.scoring.kernels import BLOCK
from tests.unit.models.growing import grow, rows

SIZES = [1, 2, FEW, FEW + 1, BLOCK - 1, BLOCK, BLOCK + 1, 1000]


def both(model: bytes) -> tuple[Any, Any]:
    files = {"model.onnx": model, "forest.bin": read(model).to_bytes()}
    return scorer("forest", files), scorer("onnxruntime", files)


def bits(answers: Any) -> list[int]:
    return np.asarray(answers, np.float32).view(np.int32).tolist()


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), trees=st.integers(1, 40), depth=st.integers(0, 7), lopsided=st.sampled_from([0.0, 0.2, 0.6]),
    average=st.booleans(), n=st.sampled_from(SIZES),
)  # fmt: skip
def test_a_forest_gives_the_bits_of_onnxruntime_and_of_a_plain_walk(seed, trees, depth, lopsided, average, n) -> None:
    grown = grow(seed, trees=trees, depth=depth, lopsided=lopsided, average=average)
    forest, runtime = both(grown.onnx())
    x = rows(seed, n, grown)

    found = forest(x)

    assert bits(found) == bits(runtime(x))
    assert bits(found[:10]) == bits([grown.walk(row) for row in x[:10]])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 700), max_size=6))
def test_a_row_has_the_same_bits_alone_and_in_any_batch(seed, cuts) -> None:
    grown = grow(seed, trees=17, depth=6, lopsided=0.1)
    forest, _ = both(grown.onnx())
    x = rows(seed, 700, grown)

    parts = [forest(part) for part in np.split(x, sorted(cuts))]

    assert bits(np.concatenate(parts)) == bits(forest(x))


def test_a_tree_that_is_one_long_branch_is_walked_to_its_end() -> None:
    grown = grow(3, trees=3, depth=1)
    for tree in grown.trees:
        node = tree
        for level in range(300):
            node.children = (grow(level, trees=1, depth=0).trees[0], grow(level + 1, trees=1, depth=1).trees[0])
            node = node.children[1]
    forest, runtime = both(grown.onnx())
    x = rows(1, 1000, grown)

    assert bits(forest(x)) == bits(runtime(x))
    assert bits(forest(x[:5])) == bits(runtime(x[:5]))


ELSEWHERE = """
from tests.unit.models.growing import grow, rows
from tests.unit.models.test_scoring_forest import bits, both
grown = grow(4, trees=30, depth=7, lopsided=0.1)
x = rows(9, 300, grown)
print(bits(both(grown.onnx())[0](x)), bits(both(grown.onnx())[0](x[:9])))
"""


def test_a_processor_without_gathers_or_wide_vectors_gives_the_same_bits(tmp_path) -> None:
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    root = Path(__file__).parents[3]
    grown = grow(4, trees=30, depth=7, lopsided=0.1)
    forest, _ = both(grown.onnx())
    x = rows(9, 300, grown)

    told = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], env=os.environ | plain, cwd=root, capture_output=True, text=True, check=True
    )

    assert told.stdout.strip() == f"{bits(forest(x))} {bits(forest(x[:9]))}"


def sample(n: int = 1500, *, holes: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    x = random.normal(size=(n, 6)).astype(np.float32).round(1)
    y = 60 * x[:, 0] + 20 * x[:, 1] * x[:, 2] + random.normal(0, 5, n)
    if holes:
        x[random.random(x.shape) < 0.1] = np.nan
    return x, y


def random_forest() -> tuple[bytes, np.ndarray, np.ndarray]:
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestRegressor

    x, y = sample()
    model = RandomForestRegressor(20, max_depth=8, random_state=7).fit(x, y)
    return to_onnx(model, x[:1]).SerializeToString(), x, model.predict(x)


def gradient_boosting() -> tuple[bytes, np.ndarray, np.ndarray]:
    from skl2onnx import to_onnx
    from sklearn.ensemble import GradientBoostingRegressor

    x, y = sample()
    model = GradientBoostingRegressor(n_estimators=30, random_state=7).fit(x, y)
    return to_onnx(model, x[:1]).SerializeToString(), x, model.predict(x)


def xgboost_by_onnxmltools() -> tuple[bytes, np.ndarray, np.ndarray]:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from xgboost import XGBRegressor

    x, y = sample(holes=True)
    model = XGBRegressor(n_estimators=30, max_depth=5, n_jobs=1).fit(x, y)
    found = convert_xgboost(model, initial_types=[("x", FloatTensorType([None, 6]))], target_opset=15)
    return found.SerializeToString(), x, model.predict(x)


def xgboost_by_ourselves() -> tuple[bytes, np.ndarray, np.ndarray]:
    x, y = sample(holes=True)
    booster = boost(x[:, [4, 0, 1, 2]], y, Growth(trees=40, leaf_rows=2.0))
    return boosted_onnx(booster, [4, 0, 1, 2], 6), x, booster.inplace_predict(x[:, [4, 0, 1, 2]])


@pytest.mark.parametrize("made", [random_forest, gradient_boosting, xgboost_by_onnxmltools, xgboost_by_ourselves])
def test_what_the_converters_make_is_read_to_the_bit(made: Callable[[], tuple[bytes, np.ndarray, np.ndarray]]) -> None:
    model, x, trained = made()
    forest, runtime = both(model)

    assert bits(forest(x)) == bits(runtime(x))
    assert np.abs(forest(x) - trained).max() <= 1e-5 * np.abs(trained).mean()


def test_rows_may_be_none_or_a_view_or_not_ours_to_write() -> None:
    grown = grow(5, trees=3, depth=4)
    forest, runtime = both(grown.onnx())
    x = rows(1, 40, grown)
    fixed = x.copy()
    fixed.flags.writeable = False

    assert forest(x[:0]).shape == runtime(x[:0]).shape == (0,)
    assert bits(forest(x[::2])) == bits(runtime(x[::2])) == bits(forest(x))[::2]
    assert bits(forest(fixed)) == bits(forest(np.asfortranarray(x))) == bits(forest(x))


@pytest.mark.parametrize("x", [np.zeros((2, 3), np.float32), np.zeros((2, 4)), np.zeros(4, np.float32)])
def test_rows_of_another_type_or_shape_are_refused_by_every_backend(x) -> None:
    for backend in both(grow(5, trees=1, depth=2).onnx()):
        with pytest.raises(ScoreFailed, match=r"expected rows float32 \(n, 4\), found"):
            backend(x)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), lopsided=st.sampled_from([0.0, 0.4]))
def test_the_file_holds_the_whole_forest_and_says_the_same_each_time(seed, lopsided) -> None:
    forest = read(grow(seed, trees=5, depth=5, lopsided=lopsided).onnx())
    content = forest.to_bytes()

    again = Ensemble.from_bytes(content)

    assert again.to_bytes() == content
    assert (again.features, again.trees, again.base) == (forest.features, forest.trees, forest.base)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_file_fails_to_score_or_answers_something_but_never_reads_past_its_end(data) -> None:
    content = bytearray(read(grow(1, trees=3, depth=3).onnx()).to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([None, -1, 100]))
    damaged = scorer("forest", {"forest.bin": bytes(content[:cut])})

    said = "expected"
    try:
        damaged(np.zeros((3, 4), np.float32))
    except ScoreFailed as failure:
        said = str(failure).removeprefix("the model part failed: ")

    assert said.startswith("expected")


@pytest.mark.parametrize(
    ("backend", "files", "said"),
    [
        ("pickle", {}, "expected a backend among onnxruntime, forest, xgboost, found 'pickle'"),
        ("forest", {"model.onnx": b""}, "forest.bin: missing, and the backend forest reads it"),
    ],
)
def test_a_backend_or_file_that_is_not_there_is_named(backend, files, said) -> None:
    with pytest.raises(ScoreFailed, match=said):
        scorer(backend, files)


@pytest.mark.parametrize(("backend", "name"), [("onnxruntime", "model.onnx"), ("forest", "forest.bin"), ("xgboost", "model.ubj")])
def test_bytes_that_are_no_model_fail_when_asked_not_when_loaded(backend, name) -> None:
    broken = scorer(backend, {name: b"no model"})

    with pytest.raises(ScoreFailed, match="the model part failed: "):
        broken.warm()
