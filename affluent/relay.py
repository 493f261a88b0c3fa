"""How are the logs of a domain's facts told of model versions and hours? `affluent relay dispatch`, until told to stop."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from affluent import answers, wiring
from infra.errors import Fault, Unavailable

if TYPE_CHECKING:
    from infra.settings import Settings
    from schemas.event import Event, Topic
    from streams.relay import Relay

RETRY_S = 1.0


def facts_of(domain: str) -> "list[Topic]":
    """Return the facts topics of a domain. Raises Fault if it has none."""
    from schemas import catalogue

    found = [topic for topic in catalogue.topics().values() if topic.facts and topic.domain == domain]
    if not found:
        known = sorted({topic.domain for topic in catalogue.topics().values() if topic.facts})
        raise Fault(f"domain: expected one of {', '.join(known)}, found {domain!r}")
    return found


@contextmanager
def relaying(
    settings: "Settings",
    domain: str,
    *,
    from_start: bool = False,
    patience_s: float = 60.0,
    on_wait: Callable[[str], None] = lambda _: None,
    copied: Callable[[str, int], None] = lambda _topic, _n: None,
) -> "Iterator[Relay]":
    """Give a relay into the domain's facts topics, which are created if missing. Raises Fault or Unavailable."""
    from infra.delivery import Delivery
    from infra.kafka import consumer, ensure_topics
    from infra.registry import Registry
    from schemas import catalogue
    from schemas.control import MODEL_VERSIONS
    from schemas.letters import DEAD_LETTERS
    from streams.relay import Relay

    facts = facts_of(domain)
    ensure_topics(settings.kafka, [*facts, MODEL_VERSIONS, DEAD_LETTERS])
    with Registry(settings.registry.url) as registry:
        ids = registry.register_all(catalogue.subjects())

        def id_of(event: "type[Event]", topic: "Topic") -> int:
            return ids[catalogue.subject(topic, event)]

        source = consumer(settings.kafka, group=f"streams-{domain}-relay", **{"enable.partition.eof": True})
        try:
            out = Delivery(settings.kafka, patience_s=patience_s, on_wait=on_wait)
            yield Relay(source=source, out=out, schemas=registry, ids=id_of, facts=facts, from_start=from_start, copied=copied)
        finally:
            source.close()


def once(settings: "Settings", domain: str, *, from_start: bool = False) -> int:
    """Copy every model version up to now into the domain's facts; return how far that is. Raises Fault or Unavailable."""
    from streams.relay import relay_once

    with relaying(settings, domain, from_start=from_start) as relay:
        return relay_once(relay, clock=time.monotonic)


def relay(domain: str, *, clock: bool = False, from_start: bool = False, until_now: bool = False, json: bool = False) -> int:
    """Copy model versions into the domain's facts until SIGTERM or Ctrl-C. Returns the exit code. Raises Fault or Unavailable.

    clock: tell the hours too, by this machine's clock. from_start: copy everything again. until_now: end when all is copied.
    """
    if until_now:
        reached = once(wiring.settings(), domain, from_start=from_start)
        if json:
            answers.as_json({"domain": domain, "copied_up_to": reached})
        else:
            answers.said(f"every model version up to number {reached} is in the facts of {domain}")
        return 0
    _serve(domain, clock=clock, from_start=from_start)
    return 0


def _serve(domain: str, *, clock: bool, from_start: bool) -> None:
    import structlog

    from infra.metrics import RelayMetrics

    log = structlog.get_logger(__name__)
    stop = _until_told()
    with wiring.process(f"relay-{domain}") as process:
        metrics = RelayMetrics(process.registry)

        def copied(topic: str, n: int) -> None:
            metrics.records.labels(topic).inc(n)

        def waiting(why: str) -> None:
            log.warning("Kafka is away, waiting", reason=why)

        with relaying(process.settings, domain, from_start=from_start, patience_s=5.0, on_wait=waiting, copied=copied) as running:
            log.info("relay started", domain=domain, at=running.seen, clock=clock, metrics_port=process.port)
            while not stop.is_set():
                try:
                    if clock:
                        running.tick(datetime.now(UTC))
                    running.step()
                except Unavailable as away:
                    log.warning("not copied, trying again", reason=str(away))
                    stop.wait(RETRY_S)
        log.info("relay stopped", domain=domain)


def _until_told() -> threading.Event:
    """Return what is set when a person or a supervisor ends this process."""
    stop = threading.Event()

    def end(*_: Any) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return stop
