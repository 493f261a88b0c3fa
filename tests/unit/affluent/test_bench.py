"""Does `affluent bench` say in one line what is missing?"""

from pathlib import Path

import pytest

from affluent import bench
from infra.errors import Fault


def test_outside_a_checkout_it_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"bench: expected tests/benchmarks in .*, found none: run it in a checkout"):
        bench.require(tmp_path)


def test_without_the_developers_tools_it_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda name: None if name == "skl2onnx" else object())
    with pytest.raises(Fault, match="bench: skl2onnx not installed: run `make setup`"):
        bench.require(bench.ROOT)


def test_in_a_checkout_with_the_tools_nothing_is_missing() -> None:
    bench.require(bench.ROOT)
