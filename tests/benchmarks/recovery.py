"""How fast does a worker that was stopped know again what it knew, and how much memory does that take?

    python -m tests.benchmarks.recovery [--json] [--quick] [--keys 1000000]

A worker remembers a million keys of 128 bytes, over 12 partitions, and logs them as any worker does. It is stopped, and another takes
over: from the assignment until all tables are read. Memory beside that of a worker that knows nothing.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infra import kafka
from tests.benchmarks.harness import shown, told
from tests.benchmarks.harness.process import Watched
from tests.benchmarks.harness.programs import Program
from tests.benchmarks.harness.scene import Scene, scene
from tests.benchmarks.work import keys, records
from tests.benchmarks.work.wire import PARTITIONS

KEYS, QUICK, PATIENCE_S = 1_000_000, 20_000, 60.0
SILENT = "bench.answers-none.v1"
REMEMBERS = Program("ours", "tests.benchmarks.work.worker", ("--agent", "keys"))


def until(watched: Watched, port: int, name: str, at_least: float) -> float:
    """Wait until a metric has grown so far; return the seconds that took. Raises RuntimeError if it does not."""
    began = time.monotonic()
    while shown.total(shown.page(port), name) < at_least:
        if watched.code is not None or time.monotonic() > began + PATIENCE_S:
            raise RuntimeError(f"{name} did not reach {at_least:,.0f}: {watched.last_words()}")
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def recovered(at: Scene, topic: str, group: str) -> Iterator[tuple[Watched, int]]:
    """Hold a worker that has recovered all partitions, and the port of its metrics; it is stopped at the end.

    Stopped, not killed: the broker would give a dead worker's partitions away only after its session, which is not our matter here.
    """
    watched = REMEMBERS.start(at, topic, SILENT, group)
    try:
        port = shown.port(watched)
        until(watched, port, "affluent_recovery_seconds_count", PARTITIONS)
        yield watched, port
    finally:
        watched.stop()


def run(at: Scene, count: int) -> dict[str, Any]:
    """Write, stop, recover."""
    empty, full, group = "bench.jobs-none.v1", at.load(count), "bench-recovery"
    kafka.ensure_topics(at.kafka, [records.topic(empty), records.topic(SILENT)])
    with recovered(at, empty, "bench-nothing") as (watched, _):
        bare = watched.resident_mb()
    with recovered(at, full, group) as (watched, port):
        took = until(watched, port, "affluent_records_total", count)
        wrote = {"seconds": round(took, 2), "rss_mb": round(watched.resident_mb())}
    with recovered(at, full, group) as (watched, port):
        page = shown.page(port)
        resident, peak = watched.resident_mb(), watched.peak_mb()
    return {
        "keys": int(shown.total(page, "affluent_state_rows")),
        "expected": count,
        "row_bytes": keys.SEEN.dtype.itemsize,
        "seconds": round(shown.total(page, "affluent_recovery_seconds_sum"), 2),
        "read_again": int(shown.total(page, "affluent_records_total")),
        "rss_mb": round(resident),
        "peak_mb": round(peak),
        "rss_of_state_mb": round(resident - bare),
        "tables_mb": round(shown.total(page, "affluent_state_bytes") / 1e6),
        "bare_worker_mb": round(bare),
        "built": wrote,
    }


def table(found: dict[str, Any]) -> str:
    """Return the result for people."""
    above = f"{found['rss_of_state_mb']} MB above a worker that knows nothing"
    return "\n".join(
        [
            f"{found['keys']:,} keys of {found['expected']:,}, {found['row_bytes']} bytes each, {PARTITIONS} partitions",
            f"recovered in {found['seconds']} s",
            f"resident {found['rss_mb']} MB (peak {found['peak_mb']}), {above}; tables {found['tables_mb']} MB",
            f"records read again after the stop: {found['read_again']:,}",
        ]
    )


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true", help="few keys: to see that it works")
    options.add_argument("--keys", type=int, default=None)
    given = options.parse_args()
    with scene() as at:
        found = run(at, given.keys or (QUICK if given.quick else KEYS)) | {"machine": told.machine()}
    told.result(found) if given.json else print(table(found))


if __name__ == "__main__":
    told.run(main)
