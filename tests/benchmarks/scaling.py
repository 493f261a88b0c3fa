"""What do two workers do that one does not?

    python -m tests.benchmarks.scaling [--json] [--quick] [--jobs 1500000]

One worker on the first core, then two, one a core, that share the partitions. On a machine of two cores the second worker shares its
core with the broker, and the result says so. The workers take their shares of an empty topic, are held still while the load is
written, and then let go; every answer is read back.
"""

import argparse
import signal
import time
from typing import Any

from infra import kafka
from tests.benchmarks.harness import cores, shown, told
from tests.benchmarks.harness.ends import Ends, Sample, follow, slope
from tests.benchmarks.harness.process import Watched
from tests.benchmarks.harness.programs import ours
from tests.benchmarks.harness.scene import Scene, scene
from tests.benchmarks.work import records
from tests.benchmarks.work.reference import reference
from tests.benchmarks.work.verify import verify
from tests.benchmarks.work.wire import PARTITIONS

JOBS, QUICK = 1_500_000, 100_000
MOST_S, SHARE_S = 60.0, 30.0


def held(ports: list[int]) -> list[int]:
    """Return how many partitions each worker holds."""
    pages = [shown.page(port) for port in ports]
    return [sum(line.startswith("affluent_state_rows{") for line in page) for page in pages]


def run(at: Scene, workers: int, jobs: int) -> dict[str, Any]:
    """Let so many workers go through the load together. Raises RuntimeError if they do not finish."""
    topic, out, group = f"bench.jobs-scaling-{workers}.v1", at.answers(f"scaling-{workers}"), f"bench-scaling-{workers}"
    kafka.ensure_topics(at.kafka, [records.topic(topic)])
    places = [[core] for core in cores.worker_cores(workers)]
    watched = [_start(at, topic, out, group, number, places[number % len(places)]) for number in range(workers)]
    samples: list[Sample] = []
    try:
        shares = _shared([shown.port(each) for each in watched])
        for each in watched:
            each.signal(signal.SIGSTOP)
        try:
            records.write(at.kafka, topic, jobs)
        finally:
            for each in watched:
                each.signal(signal.SIGCONT)
        ends = Ends(at.kafka, out)

        def look() -> tuple[int, float, dict[int, float], dict[str, float]]:
            return ends.now(), sum(each.cpu_s() for each in watched), {}, {}

        samples = follow(
            look, until=jobs, alive=lambda: all(each.code is None for each in watched), start_s=MOST_S, most_s=MOST_S
        )
        if not samples or samples[-1].outputs < jobs:
            raise RuntimeError(f"{workers} workers did not finish: {[each.last_words() for each in watched]}")
    finally:
        for each in watched:
            each.stop()
    steady, verdict = slope(samples), verify(at.kafka, out, reference(jobs))
    for done in (topic, out):
        at.forget(done)
    return {
        "workers": workers,
        "partitions": shares,
        "records_per_s": round(steady.records_per_s),
        "cpu_us_per_record": round(steady.us(steady.cpu_s), 2),
        "verified": verdict.as_dict(),
    }


def _shared(ports: list[int]) -> list[int]:
    """Wait until every worker holds its share of the partitions, or SHARE_S are over; returns how many each holds."""
    until = time.monotonic() + SHARE_S
    while min(shares := held(ports)) < PARTITIONS // len(ports) and time.monotonic() < until:
        time.sleep(0.2)
    return shares


def _start(at: Scene, topic: str, out: str, group: str, number: int, place: list[int]) -> Watched:
    """Start one member of the group, with a log of its own."""
    program = ours()
    folder = at.folder / f"worker-{number}"
    folder.mkdir(exist_ok=True)
    return program.start(at, topic, out, group, place, log=folder / f"{group}.log")


def table(found: dict[str, Any]) -> str:
    """Return the result for people."""
    lines = []
    for line in found["lines"]:
        errors, speed = line["verified"]["errors"], f"{line['records_per_s']:,}/s, {line['cpu_us_per_record']} us"
        lines.append(f"{line['workers']} workers {line['partitions']}: {speed}, {errors} errors")
    return "\n".join([*lines, f"two over one: {found['two_over_one']} x; {found['note']}".rstrip("; ")])


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true", help="a small load: to see that it works")
    options.add_argument("--jobs", type=int, default=None)
    given = options.parse_args()
    jobs = given.jobs or (QUICK if given.quick else JOBS)
    with scene() as at:
        lines = [run(at, workers, jobs) for workers in (1, 2)]
    share = [line["records_per_s"] for line in lines]
    note = "the broker runs on the second worker's core" if len(cores.all_cores()) < 3 else ""
    found = {"lines": lines, "two_over_one": round(share[1] / share[0], 2), "note": note, "machine": told.machine()}
    told.result(found) if given.json else print(table(found))


if __name__ == "__main__":
    told.run(main)
