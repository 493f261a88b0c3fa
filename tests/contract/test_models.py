"""Does every model keep what all models promise? They are found in each domain's `MODELS`; the checks are the same for all."""

import importlib
import sys
from subprocess import run

import numpy as np
import pytest

from models.bundle import MODEL, Bundle
from models.dispatch import MODELS, training
from models.dispatch.gains import LATENESS, NAMES
from models.forest import Growth, answers, grow
from tests import deliveries

SOURCES = ("flights", "restaurant")
N = 12_000
TOLERANCE_S = 0.01
"""How far ONNX may be from the trained forest: float32 sums of some hundred leaves, in another order."""


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> str:
    """Each source there is real data of."""
    return str(request.param)


@pytest.fixture
def bundle(source: str) -> Bundle:
    """A small model of the source."""
    return deliveries.small(source)


@pytest.fixture
def x(source: str) -> np.ndarray:
    """Rows as the fold made them."""
    return deliveries.rows(source, N).x[-2_000:]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_module_that_says_its_name(name: str) -> None:
    module = importlib.import_module(MODELS[name])
    assert name == module.NAME


def test_onnx_answers_as_the_trained_forest_does(source: str, x: np.ndarray) -> None:
    recipe = training.RECIPES[source]
    train, *_ = training.split(deliveries.rows(source, N))
    used = [NAMES.index(name) for name in recipe.used]
    growth = Growth(trees=20, depth=4)
    forest = grow(np.ascontiguousarray(train.x[:, used]), train.delay_s - train.x[:, LATENESS], growth)
    ours = answers(forest, np.ascontiguousarray(x[:, used]))
    np.testing.assert_allclose(deliveries.small(source).score(x), ours, atol=TOLERANCE_S, rtol=0)


def test_a_bundle_reloaded_gives_the_same_bits(bundle: Bundle, x: np.ndarray) -> None:
    again = Bundle(bundle.manifest, bundle.sha256, dict(bundle.files))
    np.testing.assert_array_equal(bundle.score(x), again.score(x))


def test_a_batch_is_scored_as_its_rows_are(bundle: Bundle, x: np.ndarray) -> None:
    """To the bit, or a replay that cuts batches elsewhere would differ."""
    whole = bundle.score(x)
    for size in (1, 2, 7, 64, 333):
        some = x[: size * 40]
        parts = [bundle.score(some[i : i + size]) for i in range(0, len(some), size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole[: len(some)])


def test_scoring_changes_neither_model_nor_rows(bundle: Bundle, x: np.ndarray) -> None:
    before, model = x.copy(), bytes(bundle.files[MODEL])
    first, second = bundle.score(x), bundle.score(x)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(before, x)
    assert bundle.files[MODEL] == model


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_any_feature_may_be_missing(bundle: Bundle, x: np.ndarray, place: int) -> None:
    some = x[:50].copy()
    some[:, place] = np.nan
    assert np.isfinite(bundle.score(some)).all()


def test_all_features_may_be_missing(bundle: Bundle) -> None:
    assert np.isfinite(bundle.score(np.full((3, len(NAMES)), np.nan, np.float32))).all()


def test_features_that_the_manifest_calls_unused_are_not_looked_at(bundle: Bundle, x: np.ndarray) -> None:
    unused = [i for i, feature in enumerate(bundle.manifest.features) if not feature.used]
    other = x.copy()
    other[:, unused] = 1e6
    np.testing.assert_array_equal(bundle.score(x), bundle.score(other))


def test_training_repeats_to_the_byte(source: str) -> None:
    recipe = training.RECIPES[source]
    small = training.Recipe(recipe.rule, Growth(trees=5), recipe.used)
    first, second = (training.fit(deliveries.rows(source, N), source, small) for _ in (1, 2))
    assert first.files == second.files


def test_every_figure_stands_beside_the_baselines(bundle: Bundle) -> None:
    for name in ("mae_min", "r2", "coverage"):
        assert np.isfinite([bundle.manifest.metrics[name].model, bundle.manifest.metrics[name].baseline]).all()
    assert bundle.manifest.metrics["mae_min"].model < bundle.manifest.metrics["mae_min"].baseline


def test_scoring_imports_no_training_library() -> None:
    code = (
        "import sys, models.dispatch.delay, models.dispatch.settle, models.drift, models.bundle, onnxruntime; print(*sys.modules)"
    )
    loaded = set(run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())
    assert loaded.isdisjoint({"sklearn", "pandas", "xgboost", "torch", "prophet", "onnx"})
