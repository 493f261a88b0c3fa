"""Who answers when the champion cannot?"""

import numpy as np
import pytest

from models import bundle as bundles
from models.bundle import BASELINE, MODEL, Bundle
from models.dispatch import delay, features
from models.dispatch.features import Features
from models.tables import State
from schemas.columns import Columns
from schemas.dispatch import AssignmentAccepted
from tests import deliveries
from tests.builders import USUAL_AT, build, many


def known(*, sources: tuple[str, ...] = ("flights",), n: int = 6) -> Features:
    """Some accepted jobs, whose sources take turns."""
    jobs = many(AssignmentAccepted, n, source=lambda i: sources[i % len(sources)], assignment_id=lambda i: f"a{i}")
    return features.fold(deliveries.batch(jobs), deliveries.state())


def resealed(bundle: Bundle, **changed: bytes) -> Bundle:
    """The same bundle with other files, sealed anew."""
    facts = {name: getattr(bundle.manifest, name) for name in type(bundle.manifest).model_fields}
    for name in ("format", "backend", "files", "key_id", "created_at"):
        del facts[name]
    files = {**bundle.files, **{name.replace("_json", ".json").replace("_onnx", ".onnx"): text for name, text in changed.items()}}
    return Bundle.load(bundles.seal(files, deliveries.KEY, created_at=USUAL_AT, **facts), deliveries.TRUSTED)


def test_the_champion_answers_with_an_interval_and_its_baseline_beside() -> None:
    bundle = deliveries.small()
    jobs = known()
    found = delay.predict(jobs, deliveries.state(bundle))
    assert found.model.tolist() == [bundle.label] * 6
    assert set(found.rung.tolist()) == {delay.CHAMPION}
    assert set(found.reason.tolist()) == {""}
    np.testing.assert_array_equal(found.delay_s, jobs.x[:, 0] + bundle.score(jobs.x))
    assert (found.low_s < found.delay_s).all()
    assert (found.delay_s < found.high_s).all()
    assert np.isfinite(found.baseline_s).all()


def test_without_a_model_we_abstain_and_say_why() -> None:
    found = delay.predict(known(), deliveries.state())
    assert set(found.rung.tolist()) == {delay.ABSTAINED}
    assert found.reason[0] == "no model is in force for dispatch.delay/flights"
    assert found.model[0] == ""
    assert np.isnan(found.delay_s).all()


def test_a_refused_bundle_is_named() -> None:
    state = deliveries.state()
    state.swap("dispatch.delay/flights", "f" * 64)
    assert "bundle ffffffffffff of dispatch.delay/flights was refused" in delay.predict(known(), state).reason[0]


@pytest.mark.parametrize("model", [b"not a model", b""])
def test_a_model_part_that_cannot_score_gives_way_to_the_rule(model: bytes) -> None:
    broken = resealed(deliveries.small(), model_onnx=model)
    found = delay.predict(known(), deliveries.state(broken))
    assert set(found.rung.tolist()) == {delay.BASELINE_RUNG}
    assert found.model[0] == f"{broken.label} baseline"
    assert found.reason[0].startswith("the model part failed")
    np.testing.assert_array_equal(found.delay_s, found.baseline_s)
    shift = broken.manifest.calibration
    np.testing.assert_allclose(found.low_s, found.delay_s + shift.baseline_low_s)


def test_a_bundle_that_expects_other_features_gives_way_to_the_rule() -> None:
    bundle = deliveries.small()
    manifest = bundle.manifest.model_copy(update={"features": bundle.manifest.features[:-1]})
    found = delay.answer(Bundle(manifest, bundle.sha256, bundle.files), known().accepted, known().x)
    assert not found.champion.any()
    assert "expects the features" in found.reason


def test_without_a_rule_nobody_answers() -> None:
    broken = resealed(deliveries.small(), baseline_json=b'{"kind": "guess"}')
    found = delay.predict(known(), deliveries.state(broken))
    assert set(found.rung.tolist()) == {delay.ABSTAINED}
    assert "expected kind lane_median or hour_mean, found 'guess'" in found.reason[0]


def test_each_source_has_its_own_model_in_one_batch() -> None:
    flights, restaurant = deliveries.small(), deliveries.small("restaurant")
    jobs = known(sources=("flights", "strangers", "restaurant"))
    found = delay.predict(jobs, deliveries.state(flights, restaurant))
    assert found.model.tolist() == [flights.label, "", restaurant.label] * 2
    for source, bundle in (("flights", flights), ("restaurant", restaurant)):
        rows = [i for i, name in enumerate(jobs.accepted["source"].tolist()) if name == source]
        np.testing.assert_array_equal(found.delay_s[rows], jobs.x[rows, 0] + bundle.score(jobs.x[rows]))


def test_an_empty_batch_has_no_answers() -> None:
    found = delay.predict(
        Features(Columns.empty(AssignmentAccepted), np.empty(0, np.int64), np.empty((0, 32), np.float32)), State(())
    )
    assert len(found.delay_s) == len(found.model) == 0


def test_the_file_names_of_a_bundle_are_those_the_ladder_asks_for() -> None:
    assert {MODEL, BASELINE} <= set(deliveries.small().files)
    assert build(AssignmentAccepted).source  # a source is never empty: it names the model
