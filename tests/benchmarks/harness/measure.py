"""What does one run of one program come to? Records a second, processor time, memory, and whether every answer was right."""

import os
import time
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.harness import shown
from tests.benchmarks.harness.ends import Ends, Slope, follow, slope
from tests.benchmarks.harness.process import Watched
from tests.benchmarks.harness.programs import Program
from tests.benchmarks.harness.scene import Scene
from tests.benchmarks.work.reference import reference
from tests.benchmarks.work.verify import Verdict, verify

START_S, MOST_S, REST_S = 60.0, 60.0, 5.0


@dataclass(frozen=True)
class Run:
    """What one run came to. cut: it was ended before it was through."""

    program: str
    jobs: int
    records_per_s: float
    cpu_us_per_record: float
    peak_mb: float
    first_output_s: float
    cut: bool
    load_average: float
    verdict: Verdict
    stages_us: dict[str, float]
    threads_us: dict[str, float]
    other: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return it for a result."""
        said = {
            "records_per_s": round(self.records_per_s),
            "cpu_us_per_record": round(self.cpu_us_per_record, 2),
            "rss_mb": round(self.peak_mb),
            "jobs": self.jobs,
            "cut": self.cut,
            "load_average": self.load_average,
            "verified": self.verdict.as_dict(),
        }
        return said | ({"threads_us": self.threads_us, "counts": self.other} if self.threads_us else {})


def measure(scene: Scene, program: Program, jobs: int, number: int, *, most_s: float = MOST_S) -> Run:
    """Run a program once over the first so many jobs. Raises RuntimeError with its last words if it ends by itself."""
    topic = scene.load(jobs)
    run = f"{program.name.replace('_', '-')}-{number}"
    out = scene.answers(run)
    watched = program.start(scene, topic, out, f"bench-{run}")
    try:
        metrics = shown.port(watched) if program.is_ours else 0
        ends = Ends(scene.kafka, out)

        def look() -> tuple[int, float, dict[int, float], dict[str, float]]:
            seen = (ends.now(), watched.cpu_s(), watched.threads())
            return (*seen, shown.stages(shown.page(metrics)) if metrics else {})

        samples = follow(look, until=jobs, alive=lambda: watched.code is None, start_s=START_S, most_s=most_s)
        load = os.getloadavg()[0]
        if watched.code is not None or not samples or not samples[-1].outputs:
            raise RuntimeError(f"{program.name} ended or stayed silent: {watched.last_words()}")
        cut = samples[-1].outputs < jobs
        steady, peak = slope(samples), watched.peak_mb()
        owners = shown.owners(watched) if metrics else {}
        page = _at_rest(metrics, samples[-1].outputs) if metrics else []
    finally:
        watched.stop()
    verdict = verify(scene.kafka, out, reference(jobs), whole=not cut)
    scene.forget(out)
    first = next(sample.at_s for sample in samples if sample.outputs) - samples[0].at_s
    threads = _by_owner(steady, owners, watched) if metrics else {}
    return Run(
        program.name, jobs, steady.records_per_s, steady.us(steady.cpu_s), peak, round(first, 2), cut, round(load, 2), verdict,
        _stages(steady, threads) if metrics else {}, threads, _counts(page),
    )  # fmt: skip


def _at_rest(port: int, records: int) -> list[str]:
    """Return the worker's metrics once it has shown these records and closed an epoch, or after REST_S as they are."""
    until = time.monotonic() + REST_S
    while True:
        page = shown.page(port)
        done = shown.total(page, "affluent_records_total") >= records and shown.total(page, "affluent_epoch_seconds_count")
        if done or time.monotonic() > until:
            return page
        time.sleep(0.1)


def _by_owner(steady: Slope, owners: dict[int, str], watched: Watched) -> dict[str, float]:
    """Return processor microseconds a record by owner of the threads; what nobody claims is `other`."""
    found: dict[str, float] = {}
    for thread, seconds in steady.threads.items():
        owner = owners.get(thread, "other")
        found[owner] = found.get(owner, 0.0) + steady.us(seconds)
    return {name: round(us, 3) for name, us in sorted(found.items()) if us >= 0.005}


def _stages(steady: Slope, threads: dict[str, float]) -> dict[str, float]:
    """Return the stages in microseconds a record.

    Stages of the fold are by processor time of their thread. Consume: the threads of the consumer and of our source. Produce: handing
    over, by the clock, and the threads of the producers and of our outbox. Rest: what of the whole is in none of them.
    """
    own = {name: steady.us(seconds) for name, seconds in steady.stages.items() if name != "settle"}
    own["consume"] = sum(us for name, us in threads.items() if "consumer" in name or "source" in name)
    own["produce"] += sum(us for name, us in threads.items() if "producer" in name or "outbox" in name)
    own["rest"] = steady.us(steady.cpu_s) - sum(own.values())
    order = ("consume", "decode", "features", "score", "encode", "produce", "rest")
    return {name: round(own[name], 3) for name in order}


def _counts(page: list[str]) -> dict[str, float]:
    """Return what the worker counted over the whole run: a run without a duplicate check or a state log would show it."""
    names = {"records": "records", "batches": "batches", "duplicates": "duplicates", "dead_letters": "dead_letters"}
    found = {said: shown.total(page, f"affluent_{name}_total") for said, name in names.items()}
    found["epochs"] = shown.total(page, "affluent_epoch_seconds_count")
    found["window_full"] = shown.total(page, "affluent_counted_total", 'what="window_full"')
    return found if page else {}
