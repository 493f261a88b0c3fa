"""How is a domain's sink run? `affluent sink dispatch`: events into Postgres, the latest answers into Redis, until told to stop.

Each store has its own thread, consumer and group, so one that is away does not hold up the other.
"""

import signal
import time
from collections.abc import Sequence
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, Literal

import structlog

from affluent import wiring

if TYPE_CHECKING:
    from consumers.sink import Loop
    from infra.errors import Unavailable
    from infra.metrics import SinkMetrics
    from infra.settings import Settings

LOG = structlog.get_logger()

LAST_WRITE_S = 4.0
"""How long a running write may take to finish when we are told to stop; then the database rolls it back."""

Into = Literal["all", "history", "latest"]


def group_of(domain: str, what: str = "") -> str:
    """Return the consumer group of a domain's history, or of one of its answers; the history's offsets are kept under its name."""
    return f"consumers-{domain}-{what}" if what else f"consumers-{domain}"


def sink(domain: str, into: Into = "all", *, again: bool = False, drain: bool = False) -> int:
    """Run until SIGTERM or Ctrl-C and return the exit code. Raises Fault.

    again: read the topics from their beginning into Postgres once more, which changes nothing that is there. drain: end by itself
    when everything in the topics is written.
    """
    from consumers.patience import Stopped

    stop = told_to_stop()
    with wiring.process(f"sink-{domain}") as process:
        from infra.metrics import SinkMetrics

        try:
            found = loops(
                domain,
                into,
                settings=process.settings,
                metrics=SinkMetrics(process.registry),
                stop=stop,
                again=again,
                drain=drain,
            )
        except Stopped:
            return 0
        LOG.info("sink started", domain=domain, into=into, metrics_port=process.port)
        run(found, stop)
        LOG.info("sink stopped", domain=domain)
    return 0


def told_to_stop() -> Flag:
    """Return a flag that SIGTERM and Ctrl-C set."""
    stop = Flag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def loops(
    domain: str, into: Into, *, settings: "Settings", metrics: "SinkMetrics", stop: Flag, again: bool = False, drain: bool = False
) -> "list[Loop]":
    """Prepare tables and topics and return one loop per store. Raises Stopped if told to stop while a server is away, Fault."""
    from importlib import import_module

    from consumers import migrations
    from consumers.history import History
    from consumers.latest import Answer, Latest
    from consumers.patience import patiently
    from consumers.sink import SETTINGS, Loop
    from consumers.stretch import Store
    from infra import cache, kafka
    from infra.registry import Registry
    from schemas.columns import warm

    history = History(settings.postgres.dsn, sink=group_of(domain), metrics=metrics, now=time.time)
    stores: dict[str, Store] = {} if into == "latest" else {group_of(domain): history}

    def latest(answer: Answer) -> Store:
        store = Latest(settings.redis.url, answer, metrics=metrics, now=time.time)
        if into != "history":
            cache.client(settings.redis.url).close()  # says at once if the address is missing
            stores[group_of(domain, answer.prefix.rpartition(":")[2])] = store
        return store

    sinks = import_module(f"consumers.{domain}").sinks(history, latest)

    def prepare() -> None:
        if into != "latest":
            migrations.migrate(settings.postgres.dsn)
            if again:
                history.rewind()
        kafka.ensure_topics(settings.kafka, {sink.reads for sink in sinks})

    warm()
    patiently(prepare, stop=stop, away=_waiting)
    registry = Registry(settings.registry.url)
    extra = SETTINGS | ({"enable.partition.eof": True} if drain else {})
    return [
        Loop(
            [sink for sink in sinks if sink.into is store],
            consumer=kafka.consumer(settings.kafka, group=group, **extra),
            schemas=registry,
            metrics=metrics,
            stop=stop,
            drain=drain,
        )
        for group, store in stores.items()
    ]


def _waiting(error: "Unavailable", pause: float) -> None:
    LOG.warning("waiting", why=str(error), again_in_s=pause)


def run(loops: "Sequence[Loop]", stop: Flag) -> None:
    """Run the loops until all end or `stop` is set; if one fails the others are stopped and its error is raised."""
    failures: list[BaseException] = []

    def one(loop: "Loop") -> None:
        try:
            loop.run()
        except BaseException as error:  # noqa: BLE001  # it is raised below, in the main thread
            failures.append(error)
            stop.set()

    # Daemons: a database that hangs must not keep us from ending; what it has not committed it forgets.
    threads = [Thread(target=one, args=(loop,), name=f"sink-{n}", daemon=True) for n, loop in enumerate(loops)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) and not stop.wait(0.1):
        pass
    deadline = time.monotonic() + LAST_WRITE_S
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
        if thread.is_alive():
            LOG.warning("a write did not end in time and is given up; it will be read again")
    if failures:
        raise failures[0]
