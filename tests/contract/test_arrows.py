"""Do the folders import each other only in the direction of the arrows, and is the environment read in one place?"""

import ast
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[2]
PACKAGES = ("affluent", "consumers", "infra", "models", "producers", "schemas", "streams")
READS = {("os", "environ"), ("os", "getenv"), ("os", "environb")}
MAY_READ = ("affluent/", "infra/settings.py")
"""Where parts are wired together, and what makes the settings when a command asks."""


def sources() -> list[str]:
    """Every module of the project, by its path from the root."""
    return sorted(str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_imports_follow_the_arrows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == EXIT_STATUS_SUCCESS


@pytest.mark.parametrize("module", [name for name in sources() if not name.startswith(MAY_READ)])
def test_no_other_module_reads_the_environment_for_settings(module: str) -> None:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    reads = [
        f"{module}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in READS
    ]
    assert reads == []
