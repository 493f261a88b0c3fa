"""What does the product's own agent do on the same core? `affluent stream dispatch` over simulated deliveries, then verified."""

import json
import os
import subprocess
import sys
from typing import Any

from tests.benchmarks.harness import shown
from tests.benchmarks.harness.ends import Sample, follow, slope
from tests.benchmarks.harness.process import ROOT, Watched
from tests.benchmarks.harness.scene import Scene

SOURCE, AGENT = "simulation", "predict_delay"


def run(scene: Scene, *words: str) -> str:
    """Run a command of ours to its end and return what it printed. Raises RuntimeError with its last words."""
    environment = {**os.environ, **scene.environment}
    done = subprocess.run(
        [sys.executable, "-m", "affluent", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(
            f"affluent {' '.join(words)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}"
        )
    return done.stdout


def asked(scene: Scene, *words: str) -> dict[str, Any]:
    """Run a command that answers with one JSON object."""
    found: dict[str, Any] = json.loads(run(scene, *words, "--json").splitlines()[-1])
    return found


def prepare(scene: Scene, facts: int) -> None:
    """Train a model, put it in force and write so many facts behind it."""
    run(scene, "topics", "create")
    run(scene, "train", "dispatch", "delay", "--source", SOURCE)
    run(scene, "relay", "dispatch", "--until-now")
    run(scene, "produce", "dispatch", "--source", SOURCE, "--limit", str(facts), "--json")


def stream(scene: Scene, facts: int, *, most_s: float = 120.0) -> list[Sample]:
    """Let one worker go through them; returns what was seen. A sample's outputs are the records it read."""
    log = scene.folder / "dispatch.log"
    watched = Watched(("-m", "affluent", "stream", "dispatch"), log, scene.environment).start()
    try:
        port = shown.port(watched)

        def look() -> tuple[int, float, dict[int, float], dict[str, float]]:
            page = shown.page(port)
            records = int(shown.total(page, "affluent_records_total", f'agent="{AGENT}"'))
            return records, watched.cpu_s(), {}, shown.stages(page) | {"peak_mb": watched.peak_mb()}

        return follow(look, until=facts, alive=lambda: watched.code is None, start_s=60, most_s=most_s)
    finally:
        watched.stop()


def line(scene: Scene, facts: int) -> dict[str, Any]:
    """Return the dispatch line of a result: speed, stages, memory and what a replay found."""
    prepare(scene, facts)
    samples = stream(scene, facts)
    steady = slope(samples)
    found = asked(scene, "replay", "dispatch", "--verify")
    return {
        "agent": AGENT,
        "source": SOURCE,
        "records": samples[-1].outputs,
        "records_per_s": round(steady.records_per_s),
        "cpu_us_per_record": round(steady.us(steady.cpu_s), 2),
        "stages_us": {name: round(steady.us(used), 3) for name, used in steady.stages.items() if name != "peak_mb"},
        "rss_mb": round(samples[-1].stages["peak_mb"]),
        "load_average": round(os.getloadavg()[0], 2),
        "verify": {name: found[name] for name in ("compared", "mismatches") if name in found},
    }
