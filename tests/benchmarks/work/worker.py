"""What runs when we do the work? One stream worker as `affluent stream` runs it: Faust, engine, state log, duplicate check, metrics.

    python -m tests.benchmarks.work.worker --topic IN --out OUT --group G --model PATH [--backend forest] [--agent delay]

The brokers are those of the settings, as for any command. It prints its threads whenever there are others, for whoever measures them.
"""

import argparse
import asyncio
import gc
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import faust
import structlog
import uvloop

from affluent import wiring
from affluent.clients import engine_clients
from infra import kafka
from infra.metrics import StreamMetrics
from infra.settings import Settings
from models.scoring import BACKENDS, Scorer, scorer
from schemas import avro
from schemas.columns import Reader, Records, warm
from schemas.letters import DeadLetter
from streams.engine import processor
from streams.engine.engine import Engine
from streams.engine.options import Clients, Options
from streams.engine.processor import Processor
from streams.engine.topology import Agent, Topology
from streams.engine.worker import app_for
from tests.benchmarks.work import forest, keys
from tests.benchmarks.work.agent import agent
from tests.benchmarks.work.records import records
from tests.benchmarks.work.wire import ANSWER_ID, JOB_ID

LOG = structlog.get_logger(__name__)
LETTER_ID = 3


def clients(settings: Settings, does: Agent) -> Clients:
    """Return the clients of any worker of ours, with the schema ids of this work."""
    (job,), (answer,) = does.holds or (), does.writes
    known = {JOB_ID: avro.schema(job), ANSWER_ID: avro.schema(answer)}
    return replace(engine_clients(settings), schemas=known.get, schema_ids={answer: ANSWER_ID, DeadLetter: LETTER_ID})


def warm_up(does: Agent, with_: Clients) -> None:
    """Compile, or load from the cache, what the agent runs, over jobs of a state that is thrown away."""
    warm()
    reader = Reader(does.reads, with_.schemas, holds=does.holds)
    fold = Processor(does, 0, reader=reader, schema_ids=with_.schema_ids)
    for last in (1, 500):
        fold.process(Records(does.reads.name, 0, *records(0, last)))


def ready(name: str, given: Any) -> Agent:
    """Return the agent, with its forest loaded where it has one."""
    if given.agent == "keys":
        return keys.agent(name, given.topic, given.out)
    model: Scorer = scorer(given.backend, forest.files(given.model))
    model.warm()
    return agent(name, given.topic, given.out, model)


def run(does: Agent, settings: Settings, metrics: StreamMetrics, group: str, tried: Mapping[str, str]) -> int:
    """Work until SIGTERM; returns the exit code."""
    kafka.ensure_topics(settings.kafka, [does.state_topic, DeadLetter.topic])
    reach = clients(settings, does)
    warm_up(does, reach)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    # Stages by this thread's processor time: on one core the clock would count the client's threads in between, too.
    vars(processor)["perf_counter"] = time.thread_time
    topology = Topology(group, {does.name: does})
    options = Options(**settings.stream.model_dump(include={field.name for field in fields(Options)}))
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    watch: dict[str, list[int]] = {}
    engine = Engine(topology, replace(reach, consumer=_seen("consumer", reach.consumer, watch, tried),
                                     producer=_seen("producer", reach.producer, watch, tried)), metrics, options)  # fmt: skip
    engine.on_failure = lambda: os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=_tell_threads, args=(watch,), name="teller", daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="affluent-") as scratch:
        worker = faust.Worker(
            app_for(topology, engine, datadir=scratch),
            loglevel="WARNING",
            redirect_stdouts=False,
            override_logging=False,
            quiet=True,
        )
        try:
            worker.execute_from_commandline()
        except SystemExit:
            LOG.debug("Faust's worker ended")
    if engine.failure is not None:
        LOG.error("stopped on a failure", error=str(engine.failure))
    return 0 if engine.failure is None else 1


def _seen(kind: str, make: Callable[..., Any], watch: dict[str, list[int]], tried: Mapping[str, str]) -> Callable[..., Any]:
    """Return a maker of clients that remembers which threads each client brought. tried: settings on trial."""
    own = {name.removeprefix(f"{kind}."): value for name, value in tried.items() if name.startswith(f"{kind}.")}

    def made(**more: Any) -> Any:
        before = _threads()
        client = make(**more | own)
        watch.setdefault(kind, []).extend(sorted(_threads() - before))
        return client

    return made


def _threads() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/task").glob("*")}


def _tell_threads(watch: dict[str, list[int]]) -> None:
    before = ""
    while True:
        names = {thread.native_id: thread.name for thread in threading.enumerate()}
        if (now := json.dumps({"python": names, **watch})) != before:
            print(f"threads={now}", flush=True)
            before = now
        time.sleep(0.2)


def main() -> int:
    """Read the command line and work."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--topic", "--out", "--group"):
        options.add_argument(name, required=True)
    options.add_argument("--model", type=Path, required=True, help="model.onnx; forest.bin lies beside it")
    options.add_argument("--backend", choices=BACKENDS, default="forest")
    options.add_argument("--agent", choices=("delay", "keys"), default="delay", help="keys: remember every job, answer nothing")
    options.add_argument("--try", dest="tried", action="append", default=[], help="a client's setting: consumer.linger.ms=5")
    given = options.parse_args()
    tried = dict(each.split("=", 1) for each in given.tried)
    with wiring.process(given.group) as process:
        does = ready(given.group, given)
        LOG.info("stream started", agents=[does.name], metrics_port=process.port)
        return run(does, process.settings, StreamMetrics(process.registry), given.group, tried)


if __name__ == "__main__":
    raise SystemExit(main())
