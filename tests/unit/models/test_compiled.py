"""Is compiled code made anew when anything it was compiled from has changed?"""

from pathlib import Path

import pytest

from models import compiled, probing, undoing
from models.dispatch import features, gains


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that imports a second one, in several ways, and that one a third."""
    (tmp_path / "first.py").write_text("from models import second\nfrom models.second import (\n    ONE,\n)\n")
    (tmp_path / "second.py").write_text("from models.third import TWO\nONE = 1\n")
    (tmp_path / "third.py").write_text("TWO = 2\n")
    found = {f"models.{name}": str(tmp_path / f"{name}.py") for name in ("first", "second", "third")}
    monkeypatch.setattr(compiled, "_file", found.get)
    return tmp_path


@pytest.mark.parametrize("changed", ["first", "second", "third"])
def test_a_change_in_any_module_on_the_way_changes_the_stamp(modules: Path, changed: str) -> None:
    first = str(modules / "first.py")
    before = compiled.stamp.__wrapped__(first)
    assert compiled.stamp.__wrapped__(first) == before

    with (modules / f"{changed}.py").open("a") as file:
        file.write("THREE = 3\n")

    assert compiled.stamp.__wrapped__(first) != before


def test_our_own_imports_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    met: set[str] = set()
    read = Path.read_bytes

    def reading(file: Path) -> bytes:
        met.add(str(file))
        return read(file)

    monkeypatch.setattr(Path, "read_bytes", reading)

    compiled.stamp.__wrapped__(features.__file__)
    compiled.stamp.__wrapped__(undoing.__file__)

    assert {gains.__file__, probing.__file__} <= met
