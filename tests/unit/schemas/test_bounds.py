"""Does any kernel read or write outside its arrays? Looked at by numba itself, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import schemas.columns

ROOT = Path(__file__).parents[3]
CACHE = Path(schemas.columns.__file__).parent / "__pycache__" / "checked"
"""Kept between runs: compiling takes most of the time."""


def test_no_kernel_leaves_its_arrays_whatever_the_bytes() -> None:
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(CACHE)}

    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.schemas.checked"], cwd=ROOT, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert "good" in done.stdout
