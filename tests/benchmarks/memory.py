"""Does a worker's memory stay flat, however many events it has seen?

    python -m tests.benchmarks.memory [--json] [--quick] [--events 10000000]

The load is written a part ahead of the worker, and what was read and answered is deleted, so ten million events fit a laptop. Flat
means: from the third part on, the line through the memory after each part rises by less than 1 % of it a part, or 5 MB if that is more.
"""

import argparse
import time
from typing import Any

import numpy as np
from confluent_kafka import TopicPartition

from infra import kafka
from tests.benchmarks.harness import shown, told
from tests.benchmarks.harness.chart import Line, lines
from tests.benchmarks.harness.ends import Ends
from tests.benchmarks.harness.programs import ours
from tests.benchmarks.harness.scene import Scene, scene
from tests.benchmarks.work import records
from tests.benchmarks.work.wire import PARTITIONS

EVENTS, QUICK, PARTS = 10_000_000, 100_000, 10
LEFT_OUT = 2
"""Parts at the start in which memory may grow: caches fill, couriers become known, buffers find their size."""
RISE, RISE_MB = 0.01, 5.0
PATIENCE_S = 300.0


def flat(resident_mb: list[float]) -> dict[str, Any]:
    """Return the verdict on memory after each part.

    >>> flat([300.0, 310.0, 312.0, 312.0, 312.5])["flat"], flat([300.0, 310.0, 330.0, 350.0, 370.0])["flat"]
    (True, False)
    """
    steady = np.array(resident_mb[LEFT_OUT:])
    rise = float(np.polyfit(np.arange(len(steady)), steady, 1)[0]) if len(steady) > 1 else 0.0
    limit = max(RISE * float(steady.mean()), RISE_MB) if len(steady) else RISE_MB
    return {"flat": rise < limit, "rise_mb_a_part": round(rise, 2), "limit_mb_a_part": round(limit, 2)}


def run(at: Scene, events: int) -> dict[str, Any]:
    """Send the events through one worker and return its memory after each part."""
    part, topic, out = events // PARTS, "bench.jobs-memory.v1", at.answers("memory")
    records.write(at.kafka, topic, part)
    watched = ours().start(at, topic, out, "bench-memory")
    seen: list[float] = []
    done = 0
    began = time.monotonic()
    try:
        port, ends = shown.port(watched), Ends(at.kafka, out)
        for number in range(1, PARTS + 1):
            until = time.monotonic() + PATIENCE_S
            while (done := ends.now()) < number * part:
                if watched.code is not None or time.monotonic() > until:
                    raise RuntimeError(f"after {done:,} answers the worker stood still: {watched.last_words()}")
                time.sleep(0.1)
            seen.append(round(watched.resident_mb(), 1))
            told.say(f"{number * part:,} events: {seen[-1]} MB")
            if number < PARTS:
                records.write(at.kafka, topic, part, first=number * part)
            _trim(at, out)
        _settled(port, events)
        page, peak = shown.page(port), watched.peak_mb()
    finally:
        watched.stop()
    counted = {name: shown.total(page, f"affluent_{name}_total") for name in ("records", "duplicates", "dead_letters")}
    return {
        "events": events,
        "answers": done,
        "resident_mb": seen,
        "peak_mb": round(peak, 1),
        **flat(seen),
        **counted,
        "state_rows": shown.total(page, "affluent_state_rows"),
        "state_mb": round(shown.total(page, "affluent_state_bytes") / 1e6, 1),
        "seconds": round(time.monotonic() - began, 1),
    }


def _settled(port: int, events: int) -> None:
    """Wait until the worker shows all events."""
    until = time.monotonic() + 10
    while shown.total(shown.page(port), "affluent_records_total") < events and time.monotonic() < until:
        time.sleep(0.1)


def _trim(at: Scene, *topics: str) -> None:
    """Delete what lies in topics by now."""
    admin = kafka.admin(at.kafka)
    for topic in topics:
        places = [TopicPartition(topic, number, -1) for number in range(PARTITIONS)]
        for future in admin.delete_records(places).values():
            future.result()


def table(found: dict[str, Any]) -> str:
    """Return the result for people."""
    verdict = "flat" if found["flat"] else "not flat"
    return "\n".join(
        [
            f"{found['events']:,} events, {found['answers']:,} answers, {found['duplicates']:.0f} duplicates, {found['seconds']} s",
            "resident MB after each tenth: "
            + " ".join(f"{mb:.0f}" for mb in found["resident_mb"])
            + f"; peak {found['peak_mb']:.0f}",
            f"{verdict}: {found['rise_mb_a_part']} MB a tenth, {found['limit_mb_a_part']} allowed; state {found['state_mb']} MB",
        ]
    )


def chart(found: dict[str, Any]) -> str:
    """Return memory over events as a picture."""
    part = found["events"] // PARTS
    names = [f"{part * number / 1e6:g} M" for number in range(1, PARTS + 1)]
    line = Line("resident", found["resident_mb"], ours=True)
    return lines("Memory of one worker", "resident, after so many events", names, [line], "MB")


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true", help="few events: to see that it works")
    options.add_argument("--events", type=int, default=None)
    given = options.parse_args()
    with scene() as at:
        found = run(at, given.events or (QUICK if given.quick else EVENTS)) | {"machine": told.machine()}
    told.result(found) if given.json else print(table(found))


if __name__ == "__main__":
    told.run(main)
