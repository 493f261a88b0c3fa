"""Is every declared metric observed by somebody? One that always shows 0 is worse than none."""

import ast
from pathlib import Path

import pytest

from infra import metrics

ROOT = Path(__file__).parents[2]
GROUPS = ("StreamMetrics", "RelayMetrics", "SinkMetrics", "ProducerMetrics")


def declared() -> list[str]:
    tree = ast.parse(Path(metrics.__file__).read_text(encoding="utf-8"))
    groups = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in GROUPS]
    return sorted(
        {
            node.attr
            for group in groups
            for node in ast.walk(group)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        }
    )


@pytest.fixture(scope="module")
def used() -> set[str]:
    """Names and texts in the code of those who may observe."""
    found: set[str] = set()
    for package in ("affluent", "consumers", "producers", "streams"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute):
                    found.add(node.attr)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return found


@pytest.mark.parametrize("metric", declared())
def test_a_declared_metric_is_observed(metric: str, used: set[str]) -> None:
    assert metric in used
