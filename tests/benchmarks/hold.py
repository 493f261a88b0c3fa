"""Do stream and sink together hold a steady load, and how long does an event take to its prediction and to its row?

Real servers, one stream worker, one sink and an open-loop sender on the same machine: an event leaves when it is due, whoever is
slow. To the prediction: from the broker's append of the fact to its append of the prediction, every one counted. To the row: from
append to the commit in Postgres, by the sink's own histogram. Memory: resident, after a quarter of the run and at its end.
"""

import argparse
import os
import tempfile
import threading
import time
import urllib.request
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil

from affluent.children import Child
from infra.settings import Settings

LEAD_S = 5.0
"""Left out at the start: files of compiled code are read, caches fill."""


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rate", type=float, default=5000.0, help="events a second")
    options.add_argument("--seconds", type=float, default=60.0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="affluent-hold-") as folder:
        os.environ["AFFLUENT_STACK_DIR"] = str(Path(folder) / "stack")
        measure(given.rate, given.seconds, Path(folder))


def measure(rate: float, seconds: float, folder: Path) -> None:
    """Start everything, load it, and say what was seen."""
    from affluent import wiring
    from affluent.clients import ensure, schema_ids
    from affluent.relay import once
    from affluent.train import train_model
    from affluent.watch import Watch
    from infra.registry import Registry
    from infra.stack import running_stack
    from streams.dispatch import TOPOLOGY

    with running_stack(directory=Path(os.environ["AFFLUENT_STACK_DIR"])) as stack:
        settings = wiring.settings()
        ensure(settings, TOPOLOGY)
        schema_ids(Registry(settings.registry.url))
        train_model(settings, "dispatch", "delay", "simulation")
        once(settings, "dispatch")
        children = [Child(name, [name, "dispatch"], folder / f"{name}.log").start() for name in ("stream", "sink")]
        watch = Watch(settings, TOPOLOGY, sink="consumers-dispatch")
        try:
            watch.wait_for_workers(children)
            time.sleep(2)
            seen = load(settings, children, rate, seconds)
            while not watch.progress().at_rest:
                time.sleep(0.2)
            report(settings, children, stack.directory, rate, seen)
        finally:
            for child in children:
                child.stop()
            watch.close()


def load(settings: Settings, children: list[Child], rate: float, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """Send at the rate; return resident memory (MB) and processor seconds of each child, at a quarter and at the end."""
    from infra.registry import Registry
    from producers import dispatch, pace
    from producers.client import Producer

    seen: dict[str, list[tuple[float, float]]] = {child.name: [] for child in children}

    def look() -> None:
        for child in children:
            process = psutil.Process(child.process.pid)  # type: ignore[union-attr]
            times = process.cpu_times()
            seen[child.name].append((process.memory_info().rss / 1e6, times.user + times.system))

    quarter = threading.Timer(seconds / 4, look)
    quarter.start()
    facts = dispatch.cut(dispatch.source("simulation", seed=5), limit=int(rate * seconds))
    with Registry(settings.registry.url) as registry, Producer(settings.kafka, registry) as producer:
        pacer = pace.Pacer(pace.Rate(rate), clock=time.monotonic, sleep=time.sleep)
        began = time.monotonic()
        sent = dispatch.send(facts, producer, pacer)
        took = time.monotonic() - began
    look()
    print(
        f"sent {sent.events:,} events in {took:.1f} s: {sent.events / took:,.0f}/s; at worst {pacer.behind_s * 1000:.0f} ms behind schedule"
    )
    return seen


def report(
    settings: Settings, children: list[Child], directory: Path, rate: float, seen: dict[str, list[tuple[float, float]]]
) -> None:
    """Read latencies from the log and the sink's metrics, and print."""
    from affluent.replay import verdicts

    found = {verdict.agent: verdict for verdict in verdicts("dispatch", settings)}
    since = np.array(found["predict_delay"].appended_ms)
    late = np.array(found["predict_delay"].latency_ms)[since > since.min() + LEAD_S * 1000]
    p50, p95, p99 = np.percentile(late, [50, 95, 99])
    print(
        f"fact to prediction, ms: p50 {p50:.0f}  p95 {p95:.0f}  p99 {p99:.0f}  max {late.max():.0f}  ({len(late):,} predictions and scores)"
    )
    print(f"fact to row, ms (upper bound of the histogram's bucket): {rows(children[1])}")
    for name, ((early, cpu_0), (end, cpu_1)) in seen.items():
        share = (cpu_1 - cpu_0) / (0.75 * sum(v.records for v in found.values() if v.agent == "predict_delay") / rate)
        print(f"{name}: resident {early:.0f} MB after a quarter, {end:.0f} MB at the end; {share * 100:.0f} % of a core")
    missing = sum(v.mismatches for v in found.values())
    print(
        f"recomputed {sum(v.compared for v in found.values()):,} outputs: {missing} mismatches; load average {os.getloadavg()[0]:.1f}"
    )


def rows(sink: Child) -> str:
    """Return the quantiles of the sink's latency since append."""
    text = sink.log.read_text() if sink.log else ""
    port = text.split("metrics_port=")[1].split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = page.read().decode().splitlines()
    counts = [
        (float(line.split('le="')[1].split('"')[0]), float(line.rsplit(" ", 1)[1]))
        for line in lines
        if line.startswith("affluent_sink_latency_seconds_bucket") and 'since="append"' in line
    ]
    counts.sort()
    total = counts[-1][1]
    found = []
    for share in (0.5, 0.95, 0.99):
        bound = next(bound for bound, count in counts if count >= share * total)
        found.append(f"p{share * 100:.0f} ≤ {bound * 1000:.0f}")
    assert all(a[1] <= b[1] for a, b in pairwise(counts))
    return "  ".join(found)


if __name__ == "__main__":
    main()
