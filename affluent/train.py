"""How does a person train a model? `affluent train dispatch delay`: from a file of real events to a signed bundle in the store."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affluent import answers, wiring
from infra.errors import Fault

if TYPE_CHECKING:
    from infra.settings import Settings
    from models.bundle import Bundle, Manifest
    from producers.chunk import Chunk
    from schemas.control import Stage

Told = Callable[[str, int], None]
"""What is being done, and how many events of it are done."""
SIMULATED = 100_000
_BATCH = 5_000


def train(
    domain: str,
    model: str,
    *,
    source: str = "flights",
    file: Path | Sequence[Path] | None = None,
    out: str | None = None,
    promote: bool = True,
    json: bool = False,
) -> int:
    """Train, judge, sign, store and, if it beats its baseline, promote a model. Returns the exit code. Raises Fault.

    file: of that source; the project's sample unless given. out: another store than the settings'.
    """
    settings = wiring.settings()
    if out is not None:
        settings = settings.model_copy(update={"store": settings.store.model_copy(update={"url": out})})
    files = [file] if isinstance(file, Path) else list(file or ())
    with _shown(quiet=json) as told:
        bundle = make(settings, domain, model, source, files, told=told)
    better = _is_better(bundle.manifest)
    in_force = promote and better and bool(settings.kafka.brokers)
    if in_force:
        announce(settings, bundle)
    if json:
        answers.as_json({"promoted": in_force, "version": bundle.version, "sha256": bundle.sha256} | _plain(bundle.manifest))
    else:
        _tell(bundle, settings.store.url, promote=promote, better=better, in_force=in_force)
    return 0


def train_model(settings: "Settings", domain: str, model: str, source: str, files: Sequence[Path] = ()) -> "Manifest":
    """Train a model, store it, put it in force through `models.versions.v1`, and return its manifest. Raises Fault."""
    bundle = make(settings, domain, model, source, files)
    announce(settings, bundle)
    return bundle.manifest


def make(
    settings: "Settings", domain: str, model: str, source: str, files: Sequence[Path] = (), *, told: Told = lambda _what, _n: None
) -> "Bundle":
    """Train a model on events and store it, signed; return it as a worker would load it. Raises Fault."""
    from affluent.history import batches
    from infra.store import BundleStore
    from models import bundle
    from models.dispatch.training import TooFewRows, collect, fit
    from models.scoring.choice import prepare
    from schemas.dispatch import ASSIGNMENTS

    if (domain, model) != ("dispatch", "delay"):
        raise Fault(f"model: expected dispatch delay, found {domain} {model}")
    store = BundleStore.at(settings.store)
    try:
        history = collect(batches(_counted(_events(source, files), told), ASSIGNMENTS))
        told("growing the forest", 0)
        fitted = fit(history, source)
    except TooFewRows as few:
        raise Fault(f"{source}: {few}") from None
    told("measuring what answers quickest", 0)
    made, table = prepare(fitted.files, fitted.sample, fitted.answers, clock=time.thread_time)
    facts = fitted.facts | {"backend": table.best, "scoring": table.as_dict()}
    sealed = bundle.seal(made, store.keys.signing(), **facts, created_at=datetime.now(UTC))
    sha = store.put(sealed)
    return bundle.Bundle.load(store.get(sha), store.keys.trusted(), sha)


def announce(settings: "Settings", bundle: "Bundle") -> None:
    """Publish that a bundle was trained and is in force from now on. Raises Fault or Unavailable."""
    mae = bundle.manifest.metrics["mae_min"]
    note = f"mean absolute error {mae.model:.2f} min, baseline {mae.baseline:.2f} min"
    stages: tuple[Stage, ...] = ("trained", "promoted")
    for stage in stages:
        announce_stage(settings, bundle, stage, note=note)


def announce_stage(settings: "Settings", bundle: "Bundle", stage: "Stage", *, note: str) -> None:
    """Publish that a bundle entered a stage now. Raises Fault or Unavailable."""
    from infra.kafka import ensure_topics
    from producers.client import Producer
    from producers.models import announce as say
    from schemas.control import MODEL_VERSIONS, ModelVersionChanged

    said: dict[str, Any] = {"model": bundle.manifest.name, "version": bundle.version, "sha256": bundle.sha256, "note": note}
    ensure_topics(settings.kafka, [MODEL_VERSIONS])
    with Producer(settings.kafka, settings.registry.url, events=(ModelVersionChanged,)) as producer:
        say(producer, **said, stage=stage, at=datetime.now(UTC))


def _events(source: str, files: Sequence[Path]) -> "Iterator[Chunk]":
    from producers.dispatch import cut, small, ticked
    from producers.dispatch import source as open_source

    return small(ticked(cut(open_source(source, files), limit=SIMULATED if source == "simulation" else None)), _BATCH)


def _counted(chunks: "Iterator[Chunk]", told: Told) -> "Iterator[Chunk]":
    done = 0
    for chunk in chunks:
        done += len(chunk)
        told("folding events into features", done)
        yield chunk


def _is_better(manifest: "Manifest") -> bool:
    mae = manifest.metrics["mae_min"]
    return mae.model < mae.baseline


def _plain(manifest: "Manifest") -> dict[str, Any]:
    keys = ("name", "source", "metrics", "split", "calibration", "created_at")
    return {key: value for key, value in manifest.model_dump(mode="json").items() if key in keys}


@contextmanager
def _shown(*, quiet: bool) -> Iterator[Told]:
    """Give what shows how far it is, where somebody looks."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as bar:
        task = bar.add_task("reading events", total=None)

        def told(what: str, n: int) -> None:
            bar.update(task, description=f"{what}: {n:,}" if n else what)

        yield told


def _tell(bundle: "Bundle", url: str, *, promote: bool, better: bool, in_force: bool) -> None:
    """Print the figures and what comes next."""
    manifest, test = bundle.manifest, bundle.manifest.split.test
    rows = [(name, f"{metric.model:.3f}", f"{metric.baseline:.3f}") for name, metric in manifest.metrics.items()]
    title = f"{bundle.label}, on {test.rows:,} jobs from {test.first_at:%Y-%m-%d} on"
    answers.as_table(("", "model", "simple rule"), rows, title=title)
    answers.said(f"stored in {url}")
    if in_force:
        answers.said("in force for new events")
    elif promote and not better:
        answers.said("not promoted: it does not beat its simple rule")
    elif promote:
        later = f"`affluent up`, then `affluent models promote {manifest.name} {bundle.version}`"
        answers.said(f"not promoted: no Kafka is known here; {later}")
