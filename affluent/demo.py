"""What does one command show a newcomer? Real deliveries through real servers, from nothing to a verified history.

Servers up → models trained on the past → stream and sink started → events sent → everything at rest → recomputed and compared.
Figures are of events later than anything a model was trained or calibrated on.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from affluent import answers, wiring
from affluent.children import Child
from affluent.watch import Watch
from infra.errors import Fault
from infra.settings import Settings

DOMAIN = "dispatch"
SOURCES = ("flights", "restaurant")
RATE = 5000.0
STALLED_S = 60.0


@dataclass
class Told:
    """What the demo can say at its end."""

    stack_ready_s: float = 0.0
    models: dict[str, Any] = field(default_factory=dict)
    sent: int = 0
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    replay: dict[str, Any] = field(default_factory=dict)
    latency_ms: list[float] = field(default_factory=list)
    quality: dict[str, dict[str, float]] = field(default_factory=dict)
    example: str = ""


def demo(*, events: int | None = None, keep: bool = False, rate: float = RATE, json: bool = False) -> int:
    """Run the demo and return the exit code: 1 if anything was lost, differs on replay, or the model does not beat its baseline."""
    from affluent.screen import Screen

    directory = _fresh_directory()
    os.environ["AFFLUENT_STACK_DIR"] = str(directory)
    told = Told()
    with Screen(quiet=json) as screen, _servers(directory, told, screen, keep=keep):
        settings = wiring.settings()
        _prepare(settings, told, screen)
        with _workers(directory, screen) as children:
            _send(settings, told, screen, children, rate=rate, limit=events)
        _look(settings, told, screen)
    problems = _problems(told)
    if json:
        answers.as_json(summary(told))
    else:
        screen.tell(told, problems, directory, kept=keep)
    return 1 if problems else 0


def _fresh_directory() -> Path:
    """The demo has servers and models of its own, made anew each time: what people keep in theirs is not touched."""
    usual = wiring.stack_directory(wiring.settings())
    directory = usual.with_name(f"{usual.name}-demo")
    if directory.exists():
        from infra.stack import down

        down(directory)
        shutil.rmtree(directory)
    return directory


@contextmanager
def _servers(directory: Path, told: Told, screen: Any, *, keep: bool) -> Iterator[None]:
    from affluent.stack import places
    from infra.stack import running_stack, up

    at, began = places(wiring.settings()), time.monotonic()
    what = "Starting Kafka, registry, Postgres, Valkey and Prometheus"
    screen.step("servers", what)
    if keep:
        up(screen.stack_progress(), directory, at.cache, mirror=at.mirror)
        told.stack_ready_s = time.monotonic() - began
        screen.step("servers", what)
        screen.done("servers", f"ready after {told.stack_ready_s:.1f} s")
        yield
        return
    with running_stack(screen.stack_progress(), directory, at.cache, mirror=at.mirror):
        told.stack_ready_s = time.monotonic() - began
        screen.step("servers", what)
        screen.done("servers", f"ready after {told.stack_ready_s:.1f} s")
        yield


def _prepare(settings: Settings, told: Told, screen: Any) -> None:
    """Create topics and schemas, train a model per source, and put each into every log of facts."""
    from affluent.clients import ensure, schema_ids
    from affluent.relay import once
    from affluent.stream import topology_of
    from affluent.train import train_model
    from infra.registry import Registry

    ensure(settings, topology_of(DOMAIN))
    schema_ids(Registry(settings.registry.url))
    for source in SOURCES:
        screen.step(f"model {source}", f"Training the delay model of {source} on the past, judging it on what came later")
        manifest = train_model(settings, DOMAIN, "delay", source)
        told.models[source] = manifest
        mae = manifest.metrics["mae_min"]
        screen.done(f"model {source}", f"MAE {mae.model:.2f} min, simple rule {mae.baseline:.2f} min")
    once(settings, DOMAIN)


@contextmanager
def _workers(directory: Path, screen: Any) -> Iterator[list[Child]]:
    logs = directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    children = [Child(name, [name, DOMAIN], logs / f"{name}-{DOMAIN}.log") for name in ("stream", "sink")]
    screen.step("workers", "Starting a stream worker and a sink")
    for child in children:
        child.start()
    try:
        yield children
    finally:
        codes = [child.stop() for child in children]
        if any(codes):
            screen.note(f"a worker did not stop cleanly: exit codes {codes}; logs in {logs}")


def _send(settings: Settings, told: Told, screen: Any, children: list[Child], *, rate: float, limit: int | None) -> None:
    """Send the samples at a fixed rate and wait until all of them have come to rest."""
    from affluent.stream import topology_of

    watch = Watch(settings, topology_of(DOMAIN), sink=f"consumers-{DOMAIN}")
    watch.wait_for_workers(children)
    screen.done("workers", "both have joined their groups")
    began = time.monotonic()
    for source in SOURCES:

        def progress(n: int) -> None:
            for child in children:
                child.require_alive()
            screen.flow(told.sent + n, watch.progress())

        told.sent += _feed(settings, source, rate, limit, progress)
    changed, before = time.monotonic(), None
    while not (now := watch.progress()).at_rest:
        for child in children:
            child.require_alive()
        screen.flow(told.sent, now)
        if now != before:
            changed, before = time.monotonic(), now
        if time.monotonic() - changed > STALLED_S:
            raise Fault(
                f"nothing moved for {STALLED_S:g} s ({now}); the logs are in {children[0].log.parent if children[0].log else '-'}"
            )
        time.sleep(0.25)
    screen.flow(told.sent, now)
    told.seconds = time.monotonic() - began
    watch.close()


def _feed(settings: Settings, source: str, rate: float, limit: int | None, progress: Callable[[int], None]) -> int:
    """Send one source at a fixed rate, with the hours of its own time; return how many facts were sent."""
    from infra.registry import Registry
    from producers import dispatch, pace
    from producers.client import Producer

    pacer = pace.Pacer(pace.Rate(rate), clock=time.monotonic, sleep=time.sleep)
    facts = dispatch.cut(dispatch.source(source), limit=limit)
    with Registry(settings.registry.url) as registry, Producer(settings.kafka, registry) as producer:
        return dispatch.send(facts, producer, pacer, told=lambda sent: progress(sent.events)).events


def _look(settings: Settings, told: Told, screen: Any) -> None:
    """Count what came to rest, recompute everything, and judge the predictions of the later events."""
    from affluent.judge import example, quality
    from affluent.replay import summary as of_replay
    from affluent.replay import verdicts
    from consumers.history import counts

    told.counts = counts(settings.postgres.dsn)
    screen.step("replay", "Recomputing every prediction from the log")
    found = verdicts(DOMAIN, settings)
    told.replay = of_replay(found)
    told.latency_ms = [ms for verdict in found if verdict.agent == "predict_delay" for ms in verdict.latency_ms]
    screen.done("replay", f"{told.replay['compared']:,} outputs compared, {told.replay['mismatches']:,} mismatches")
    for source, manifest in told.models.items():
        told.quality[source] = quality(settings.postgres.dsn, source, after=manifest.split.calibration.last_at)
    told.example = example(settings.postgres.dsn)


def _facts(told: Told) -> int:
    names = ("assignment_accepted", "delivery_completed", "driver_availability_changed", "weather_observed")
    return sum(told.counts.get(name, 0) for name in names)


def _predictions(told: Told) -> int:
    outputs = told.replay.get("agents", {}).get("predict_delay", {}).get("outputs", {})
    return int(outputs.get("DelayPredicted", 0))


def _problems(told: Told) -> list[str]:
    """Return what went wrong, one line each."""
    facts, predictions, persisted = _facts(told), _predictions(told), told.counts.get("delay_predicted", 0)
    problems = []
    if facts != told.sent:
        problems.append(f"{told.sent:,} facts were sent, {facts:,} are in Postgres")
    if persisted != predictions:
        problems.append(f"{predictions:,} predictions were made, {persisted:,} are in Postgres")
    if told.replay["mismatches"]:
        problems.append(f"{told.replay['mismatches']:,} outputs came out otherwise on replay: {told.replay['first']}")
    problems += [
        f"the model of {source} does not beat its rule: {q['model']:.2f} against {q['baseline']:.2f} min"
        for source, q in told.quality.items()
        if q["scored"] and q["model"] >= q["baseline"]
    ]
    return problems


def summary(told: Told) -> dict[str, Any]:
    """Return the answer of `affluent demo --json`."""
    flights = told.quality[SOURCES[0]]
    late = np.percentile(told.latency_ms, [50, 99]).round(1).tolist() if told.latency_ms else [None, None]
    return {
        "domains": {
            DOMAIN: {
                "events": _facts(told),
                "predictions": _predictions(told),
                "persisted": told.counts.get("delay_predicted", 0),
                "scored": told.counts.get("prediction_scored", 0),
                "drifts": told.counts.get("drift_detected", 0),
                "dead_letters": told.counts.get("dead_letter", 0),
                "verify": {"compared": told.replay["compared"], "mismatches": told.replay["mismatches"]},
                "latency_ms": {"p50": late[0], "p99": late[1]},
                "quality": {"metric": "mae_min", "model": flights["model"], "baseline": flights["baseline"]},
                "sources": told.quality,
                "events_per_s": round(told.sent / told.seconds) if told.seconds else None,
            }
        },
        "stack_ready_s": round(told.stack_ready_s, 2),
    }
