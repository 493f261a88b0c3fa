"""How is a domain's stream worker run? `affluent stream dispatch`: agents of one domain, until told to stop."""

import asyncio
import gc
import os
import signal
import tempfile
from importlib import import_module

import structlog

from affluent import wiring
from infra.errors import Fault
from infra.metrics import StreamMetrics

LOG = structlog.get_logger(__name__)


def topology_of(domain: str):  # type: ignore[no-untyped-def]  # Topology: imported late, for `affluent --help` stays fast
    """Return the topology of a domain. Raises Fault if there is no such domain."""
    from schemas.catalogue import DOMAINS

    names = [module.__name__.rpartition(".")[2] for module in DOMAINS]
    if domain not in names:
        raise Fault(f"domain: expected one of {', '.join(names)}, found {domain!r}")
    return import_module(f"streams.{domain}").TOPOLOGY


def stream(domain: str, *, workers: int = 1) -> int:
    """Run workers until SIGTERM or Ctrl-C; returns the exit code. Raises Fault.

    More than one are processes of their own that share the partitions and are started again if they end.
    """
    topology_of(domain)
    if workers > 1:
        from affluent import children

        member = wiring.settings().stream.member
        return children.supervise(
            children.workers(f"stream-{domain}", ["stream", domain], workers, member=member), lambda text: LOG.warning(text)
        )
    return _worker(domain)


def _worker(domain: str) -> int:
    import faust
    import uvloop

    from affluent.clients import engine_clients, ensure
    from affluent.warm import warm_up
    from streams.engine.engine import Engine
    from streams.engine.options import Options
    from streams.engine.worker import app_for

    topology = topology_of(domain)
    with wiring.process(f"stream-{domain}") as process:
        warm_up(topology)
        ensure(process.settings, topology)
        clients = engine_clients(process.settings, lambda sha, why: LOG.error("bundle refused", bundle=sha[:12], reason=why))
        # What is loaded by now stays; records come and go by the thousand, so look for cycles among them seldom.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 20)
        options = Options(**process.settings.stream.model_dump(include=set(Options.__dataclass_fields__)))
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        engine = Engine(topology, clients, StreamMetrics(process.registry), options)
        engine.on_failure = lambda: os.kill(os.getpid(), signal.SIGTERM)
        with tempfile.TemporaryDirectory(prefix="affluent-") as scratch:
            app = app_for(topology, engine, datadir=scratch)
            worker = faust.Worker(app, loglevel="WARNING", redirect_stdouts=False, override_logging=False, quiet=True)
            LOG.info("stream started", domain=domain, agents=sorted(topology.agents), metrics_port=process.port)
            try:
                worker.execute_from_commandline()
            except SystemExit:
                LOG.debug("Faust's worker ended")
    if engine.failure is None:
        LOG.info("stream stopped", domain=domain)
        return 0
    if isinstance(engine.failure, Fault):
        raise engine.failure
    return 1
