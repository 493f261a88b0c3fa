"""Is a bundle refused for every way in which it can be wrong, and is the fault named?"""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from models import bundle as bundles
from models.bundle import BadBundle, Bundle
from models.dispatch import training
from models.forest import Growth
from tests import deliveries
from tests.builders import USUAL_AT

NAMES = ("manifest.json", "signature", "model.onnx", "baseline.json", "MODEL_CARD.md")


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """A sealed bundle's files."""
    recipe = training.RECIPES["restaurant"]
    small = training.Recipe(recipe.rule, Growth(trees=3, depth=2), recipe.used)
    fitted = training.fit(deliveries.rows("restaurant", 4_000), "restaurant", small)
    return bundles.seal(fitted.files, deliveries.KEY, **fitted.facts, created_at=USUAL_AT)


def test_a_whole_bundle_is_loaded_and_knows_its_name(files: dict[str, bytes]) -> None:
    found = Bundle.load(files, deliveries.TRUSTED)
    assert found.label == f"dispatch.delay/restaurant@{found.sha256[:12]}"
    assert Bundle.load(files, deliveries.TRUSTED, found.sha256).manifest == found.manifest
    assert set(found.files) == set(NAMES) - {"manifest.json", "signature"}


@settings(max_examples=60)
@given(st.data())
def test_one_flipped_bit_anywhere_is_refused_and_the_file_named(files: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    place = data.draw(st.integers(0, len(files[name]) - 1))
    bit = data.draw(st.integers(0, 7))
    flipped = bytearray(files[name])
    flipped[place] ^= 1 << bit
    with pytest.raises(BadBundle) as found:
        Bundle.load({**files, name: bytes(flipped)}, deliveries.TRUSTED)
    assert str(found.value).startswith((name, "signature", "manifest.json") if name == "manifest.json" else name)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(files: dict[str, bytes], name: str) -> None:
    with pytest.raises(BadBundle, match=f"{name}: missing"):
        Bundle.load({each: text for each, text in files.items() if each != name}, deliveries.TRUSTED)


def test_another_bundle_than_was_asked_for_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(BadBundle, match="expected SHA-256 0000"):
        Bundle.load(files, deliveries.TRUSTED, "0" * 64)


def test_a_bundle_by_a_stranger_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(BadBundle, match="not among the trusted ones"):
        Bundle.load(files, {})
    stranger = Ed25519PrivateKey.generate()
    signed = {**files, "signature": stranger.sign(files["manifest.json"])}
    with pytest.raises(BadBundle, match="signature: not that of key"):
        Bundle.load(signed, deliveries.TRUSTED)


def test_a_manifest_with_a_wrong_field_is_named(files: dict[str, bytes]) -> None:
    facts = json.loads(files["manifest.json"])
    facts["metrics"]["mae_min"]["model"] = "good"
    text = json.dumps(facts).encode()
    with pytest.raises(BadBundle, match=r"manifest.json: metrics.mae_min.model"):
        Bundle.load({**files, "manifest.json": text, "signature": deliveries.KEY.sign(text)}, deliveries.TRUSTED)


def test_what_is_not_in_the_manifest_is_not_in_the_bundle(files: dict[str, bytes]) -> None:
    found = Bundle.load({**files, "extra.py": b"import os"}, deliveries.TRUSTED)
    assert "extra.py" not in found.files
    with pytest.raises(BadBundle, match=r"extra.py: missing"):
        found.parsed("extra.py", bytes)
