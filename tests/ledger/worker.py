"""What process do the scenarios strike? A stream worker over a scene: `python -m tests.ledger.worker '{"name": …}' [--pause POINT:N]`.

It runs Faust's app and the engine as `affluent stream` does. The fork server of the fleet imports this module, so a worker starts
within milliseconds, with all that it needs compiled.
"""

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import faust
import uvloop
from prometheus_client import CollectorRegistry

from affluent.clients import engine_clients
from affluent.warm import warm_up
from infra.errors import Fault, Unavailable
from infra.logs import configure
from infra.metrics import StreamMetrics
from infra.settings import Log
from streams.engine.engine import Engine
from streams.engine.options import Options
from streams.engine.worker import app_for
from tests.ledger.scene import HANG, POINTS, Scene, Stop
from tests.toy import TOY

_PR_SET_PDEATHSIG = 1


@cache
def warm() -> None:
    """Compile what the toy runs, once a process."""
    warm_up(TOY)


def striking(stop: Stop | None) -> Callable[[str], None]:
    """Return what the engine tells its points to: at the named one, the n-th time, the process signals itself."""
    passed = dict.fromkeys(POINTS, 0)

    def passing(point: str) -> None:
        passed[point] += 1
        if stop is not None and point == stop.point and passed[point] == stop.n:
            if stop.signal == HANG:
                threading.Event().wait()
            os.kill(os.getpid(), stop.signal)

    return passing


def run(scene: Scene) -> int:
    """Run until told to stop; returns the exit code."""
    warm()
    configure(Log(level="info"))
    clients = replace(engine_clients(scene.settings), passing=striking(scene.stop))
    scene.claim()
    topology = scene.topology
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    engine = Engine(topology, clients, StreamMetrics(CollectorRegistry()), Options(**scene.options))
    engine.on_failure = lambda: os.kill(os.getpid(), signal.SIGTERM)
    if scene.careless:
        from tests.ledger.careless import spoil

        spoil()
    with tempfile.TemporaryDirectory(prefix="ledger-") as scratch:
        app = app_for(topology, engine, datadir=scratch)
        worker = faust.Worker(app, loglevel="WARNING", redirect_stdouts=False, override_logging=False, quiet=True)
        with contextlib.suppress(SystemExit):
            worker.execute_from_commandline()
    if isinstance(engine.failure, (Fault, Unavailable)):
        print(f"worker: {engine.failure}", file=sys.stderr, flush=True)
    return 0 if engine.failure is None else 1


def child(scene: Scene, log: str) -> None:
    """Run as a child of the fork server: speak into a file, end with the server."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.exit(run(scene))


def main(words: list[str]) -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(prog="python -m tests.ledger.worker")
    parser.add_argument("scene", help="JSON: the fields of a Scene")
    parser.add_argument("--pause", default="", help="POINT:N, where the process kills itself")
    given = parser.parse_args(words)
    scene = Scene(**json.loads(given.scene))
    if given.pause:
        point, _, n = given.pause.partition(":")
        scene = scene.but(stop=Stop(point, int(n), signal.SIGKILL))
    return run(scene)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
