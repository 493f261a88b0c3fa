"""How long does it take to compute a million events again and to compare every output with what was published?

    python -m tests.benchmarks.replay [--events 1000000] [--json] [--quick]

Real servers of their own. Simulated facts are sent as fast as they go, a real stream worker publishes what it makes of them, both
stop, and then `affluent replay dispatch --verify` runs as a person would start it, with one process and with one for each core: its
seconds are the command's whole life, start included.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
EVENTS, QUICK = 1_000_000, 20_000


@contextmanager
def _at(directory: Path) -> Iterator[None]:
    """Let this process and its children speak to the servers of this directory."""
    before = os.environ.get("AFFLUENT_STACK_DIR")
    os.environ["AFFLUENT_STACK_DIR"] = str(directory)
    try:
        yield
    finally:
        if before is None:
            del os.environ["AFFLUENT_STACK_DIR"]
        else:
            os.environ["AFFLUENT_STACK_DIR"] = before


def measure(events: int) -> dict[str, Any]:
    """Load so many events, have them worked on, verify them, and return what was seen. Raises RuntimeError on any mismatch."""
    from infra.stack import running_stack

    with (
        tempfile.TemporaryDirectory(prefix="affluent-replay-") as folder,
        _at(Path(folder) / "stack"),
        running_stack(directory=Path(folder) / "stack"),
    ):
        loaded = _load(events, Path(folder))
        jobs = {n: _verify(n) for n in dict.fromkeys((1, len(os.sched_getaffinity(0))))}
    quickest = min(jobs, key=lambda n: jobs[n]["seconds"])
    return (
        {"events": events} | jobs[quickest] | {"jobs": quickest, "by_jobs": {str(n): found for n, found in jobs.items()}} | loaded
    )


def _load(events: int, folder: Path) -> dict[str, Any]:
    """Send the facts and let a worker publish what follows; return how long both took."""
    from affluent import wiring
    from affluent.children import Child
    from affluent.clients import ensure, schema_ids
    from affluent.relay import once
    from affluent.train import train_model
    from affluent.watch import Watch
    from infra.registry import Registry
    from producers import dispatch, pace
    from producers.client import Producer
    from streams.dispatch import TOPOLOGY

    settings = wiring.settings()
    ensure(settings, TOPOLOGY)
    registry = Registry(settings.registry.url)
    schema_ids(registry)
    train_model(settings, "dispatch", "delay", "simulation")
    once(settings, "dispatch")
    began = time.monotonic()
    facts = dispatch.cut(dispatch.source("simulation", seed=5), limit=events)
    with Producer(settings.kafka, registry) as producer:
        dispatch.send(facts, producer, pace.Pacer(pace.schedule(None, None), clock=time.monotonic, sleep=time.sleep))
    sent_s, began = time.monotonic() - began, time.monotonic()
    child = Child("stream", ["stream", "dispatch"], folder / "stream.log").start()
    watch = Watch(settings, TOPOLOGY, sink="consumers-dispatch")
    try:
        watch.wait_for_workers([child])
    finally:
        worked_s = time.monotonic() - began
        watch.close()
        child.stop()
    return {"loaded": {"sent_s": round(sent_s, 1), "worked_s": round(worked_s, 1)}}


def _verify(jobs: int) -> dict[str, Any]:
    """Run the command and return its answer, with the seconds that it took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "affluent", "replay", "dispatch", "--verify", "--jobs", str(jobs), "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"replay ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    answer = json.loads(done.stdout)
    return {
        "records": answer["records"], "compared": answer["compared"], "mismatches": answer["mismatches"], "seconds": round(seconds, 2),
        "records_per_s": round(answer["records"] / seconds),
        "load_average": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, default=None)
    options.add_argument("--quick", action="store_true", help="few events: to see that it works")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    found = measure(given.events or (QUICK if given.quick else EVENTS))
    if given.json:
        print(json.dumps(found))
        return
    loaded = found["loaded"]
    print(f"{found['events']:,} facts sent in {loaded['sent_s']} s; a worker published what follows in {loaded['worked_s']} s")
    for jobs, one in found["by_jobs"].items():
        print(
            f"{jobs} process{'es' if jobs != '1' else ''}: {one['records']:,} records of both agents, {one['compared']:,} outputs "
            f"compared, {one['mismatches']} mismatches: {one['seconds']} s, {one['records_per_s']:,} records/s, "
            f"load average {one['load_average']}"
        )


if __name__ == "__main__":
    main()
