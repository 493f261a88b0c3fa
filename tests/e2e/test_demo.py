"""Does the one command do all it says, from nothing?"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import ROOT


def test_the_demo_loses_nothing_repeats_nothing_and_beats_its_baseline(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "affluent", "demo", "--json"],
        env={**os.environ, "AFFLUENT_STACK_DIR": str(tmp_path / "stack"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    found = answer["domains"]["dispatch"]
    assert found["events"] > 150_000
    assert found["persisted"] == found["predictions"] > 70_000
    assert found["verify"]["mismatches"] == 0
    assert found["verify"]["compared"] >= found["predictions"] + found["scored"]
    assert found["dead_letters"] == 0
    for quality in found["sources"].values():
        assert quality["model"] < quality["baseline"]
    assert answer["stack_ready_s"] > 0
    print(json.dumps(answer, indent=2))
