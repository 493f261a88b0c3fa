"""How do facts get into Kafka from a file or a simulation? `affluent produce dispatch`, at a pace, with what was sent at the end."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affluent import answers, wiring

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.dispatch import Sent
    from producers.pace import Pacer


def produce(
    domain: str,
    *,
    source: str = "flights",
    file: Path | Sequence[Path] | None = None,
    rate: float | None = None,
    speed_up: float | None = None,
    limit: int | None = None,
    until: datetime | None = None,
    seed: int = 1,
    ticks: bool = True,
    json: bool = False,
) -> int:
    """Send a source's facts, and say what was sent. Returns the exit code. Raises Fault.

    file: of that source; the project's sample unless given. rate: events a second; speed_up: event time against the clock; as fast
    as it goes without either. limit: so many facts; until: none from this moment on. seed: of a simulation, which needs an end:
    100,000 facts unless a limit or a moment is given. ticks: tell the hours, as a historical run needs.
    """
    from infra.kafka import ensure_topics
    from infra.metrics import ProducerMetrics
    from infra.registry import Registry
    from producers import pace
    from producers.client import Producer
    from producers.dispatch import cut, send
    from producers.dispatch import source as open_source
    from schemas import catalogue
    from schemas.dispatch import ASSIGNMENTS

    _require_dispatch(domain)
    files = [file] if isinstance(file, Path) else list(file or ())
    plan = pace.schedule(rate, speed_up)
    ends = 100_000 if source == "simulation" and limit is None and until is None else limit
    facts = cut(open_source(source, files, seed=seed), limit=ends, until=_aware(until))
    # Its lines about a broker that is away would only repeat ours.
    logging.getLogger("librdkafka").setLevel(logging.CRITICAL)
    with wiring.process(f"produce-{domain}") as process, Registry(process.settings.registry.url) as registry:
        ensure_topics(process.settings.kafka, catalogue.topics().values())
        confirmed = ProducerMetrics(process.registry).records.labels(ASSIGNMENTS.name)
        pacer = pace.Pacer(plan, clock=time.monotonic, sleep=time.sleep)
        with _shown(source, ends, quiet=json) as (tell, warn):
            # Nobody waits for an importer, so it waits for Kafka, however long that takes.
            with Producer(process.settings.kafka, registry, patience_s=None, on_wait=warn) as producer:
                told = 0

                def progress(sent: "Sent") -> None:
                    nonlocal told
                    done = max(told, producer.sent - producer.pending)
                    confirmed.inc(done - told)
                    told = done
                    tell(sent)

                sent = send(facts, producer, pacer, ticks=ticks, told=progress)
            confirmed.inc(producer.sent - told)
    _answer(domain, source, sent, producer.sent, pacer, json=json)
    return 0


def _require_dispatch(domain: str) -> None:
    from infra.errors import Fault

    if domain != "dispatch":
        raise Fault(f"domain: expected dispatch, found {domain!r}")


def _aware(moment: datetime | None) -> datetime | None:
    """A day or moment without a zone, as typed on a command line, is UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


@contextmanager
def _shown(source: str, total: int | None, *, quiet: bool) -> "Iterator[tuple[Callable[[Sent], None], Callable[[str], None]]]":
    """Give what tells how far it is (a bar, where somebody looks) and what warns that Kafka is away (always)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[at]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task(f"sending {source}", total=total, at="")

        def tell(sent: "Sent") -> None:
            progress.update(task, completed=sent.events, at=_day(sent.last))

        def warn(why: str) -> None:
            progress.console.print(f"Kafka is away ({why}): waiting; nothing is lost", highlight=False)

        yield tell, warn


def _answer(domain: str, source: str, sent: "Sent", records: int, pacer: "Pacer", *, json: bool) -> None:
    seconds = max(pacer.passed_s, 1e-3)
    if json:
        answer: dict[str, Any] = {
            "domain": domain, "source": source, "events": sent.events, "ticks": sent.ticks, "records": records,
            "first": _moment(sent.first), "last": _moment(sent.last), "seconds": round(seconds, 3),
            "events_per_s": round(sent.events / seconds, 1), "behind_s": round(pacer.behind_s, 3),
        }  # fmt: skip
        answers.as_json(answer)
    elif not sent.events:
        answers.said(f"{source} has no events there: nothing was sent")
    else:
        answers.said(
            f"sent {sent.events:,} events of {_day(sent.first)} to {_day(sent.last)} and {sent.ticks:,} hours to {domain} "
            f"in {seconds:.1f} s ({sent.events / seconds:,.0f}/s), all confirmed"
        )
        if pacer.behind_s > 1:
            answers.said(f"the pace was too much for this machine: at worst {pacer.behind_s:.1f} s behind it")


def _moment(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def _day(ms: int | None) -> str:
    return "" if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"
