"""Does `affluent bench scoring` do the work it measures, on a real broker? Its form and every answer; no timing."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_scoring_answers_in_the_promised_form_and_every_answer_is_right() -> None:
    words = [sys.executable, "-m", "affluent", "bench", "scoring", "--quick", "--json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    found = json.loads(done.stdout)
    assert {"consume", "decode", "features", "score", "encode", "produce"} <= found["stages_us"].keys()
    assert found["peers"].keys() == found["ratios"].keys() == {"loop"}
    assert found["records_per_s"] > 0
    assert found["cpu_us_per_record"] > 0
    assert (found["errors"], found["duplicates"]) == (0, 0)
    for name in ("ours", "ours_onnxruntime", "loop"):
        (run,) = found["runs"][name]
        assert run["verified"]["answers"] == run["jobs"]
        assert run["verified"]["missing"] == 0
    # State log, duplicate check and metrics were on: epochs were closed, every record was looked at and none taken for a repeat.
    counts = found["runs"]["ours"][0]["counts"]
    assert counts["epochs"] > 0
    assert counts["records"] == found["runs"]["ours"][0]["jobs"]
    assert counts["duplicates"] == counts["window_full"] == counts["dead_letters"] == 0
