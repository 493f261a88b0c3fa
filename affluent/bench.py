"""How are the benchmarks run as a command? `affluent bench scoring`: the programs of a checkout's `tests/benchmarks`."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from infra.errors import Fault

ROOT = Path(__file__).parents[1]
NEEDED = ("sklearn", "skl2onnx", "pytest")


def bench(name: str, *, quick: bool, json: bool, more: tuple[str, ...] = ()) -> int:
    """Run a benchmark to its end and return its exit code. Raises Fault if this is no checkout, or without the developer's tools."""
    require(ROOT)
    flags = [flag for flag, wanted in (("--quick", quick), ("--json", json)) if wanted]
    words = [sys.executable, "-m", f"tests.benchmarks.{name}", *flags, *more]
    return subprocess.run(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode


def require(root: Path) -> None:
    """Raise Fault that says in one line what is missing for benchmarks."""
    if not (root / "tests" / "benchmarks").is_dir():
        raise Fault(f"bench: expected tests/benchmarks in {root}, found none: run it in a checkout of the project")
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise Fault(f"bench: {', '.join(missing)} not installed: run `make setup`, which brings the developer's tools")
