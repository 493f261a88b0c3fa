"""What does a worker cost that has little to do: five topics of 12 partitions, a hundred events a second in each?

    python -m tests.benchmarks.idle [--rate 500] [--topics 5] [--seconds 15]

Processor time of the whole worker, all threads, without input and then at the rate over all topics; held to the first core.
"""

import argparse
import asyncio
import gc
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import faust
import psutil
import uvloop
from confluent_kafka import Consumer, TopicPartition

from affluent import wiring
from affluent.clients import engine_clients
from infra import kafka
from infra.metrics import StreamMetrics
from infra.settings import Kafka
from infra.stack import running_stack
from models.scoring import scorer
from schemas import avro
from schemas.letters import DeadLetter
from streams.engine.engine import Engine
from streams.engine.topology import Agent, Topology
from streams.engine.worker import app_for
from tests.benchmarks.work import forest, records
from tests.benchmarks.work.agent import agent
from tests.benchmarks.work.wire import ANSWER_ID, JOB_ID, PARTITIONS
from tests.benchmarks.work.worker import LETTER_ID, warm_up

FIRST = 600
"""Events sent before anything is measured, until all are answered."""


def agents(topics: int) -> dict[str, Agent]:
    """Return one agent a topic, all with one forest."""
    model = scorer("forest", forest.files(forest.model()))
    model.warm()
    return {f"idle{i}": agent(f"idle{i}", f"jobs.idle{i}.v1", f"answers.idle{i}.v1", model) for i in range(topics)}


def serve(topics: int) -> None:
    """Be the worker."""
    with wiring.process("idle") as process, tempfile.TemporaryDirectory() as scratch:
        ours = agents(topics)
        reach = engine_clients(process.settings)
        ids = {one.writes[0]: ANSWER_ID for one in ours.values()} | {DeadLetter: LETTER_ID}
        (job,), (answer,) = next(iter(ours.values())).holds or (), next(iter(ours.values())).writes
        reach = replace(reach, schemas={JOB_ID: avro.schema(job), ANSWER_ID: avro.schema(answer)}.get, schema_ids=ids)
        kafka.ensure_topics(process.settings.kafka, [DeadLetter.topic, *(one.state_topic for one in ours.values())])
        warm_up(next(iter(ours.values())), reach)
        gc.collect()
        gc.freeze()
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        engine = Engine(Topology("idle", ours), reach, StreamMetrics(process.registry))
        app = app_for(engine.topology, engine, datadir=scratch)
        with suppress(SystemExit):
            faust.Worker(
                app, loglevel="WARNING", redirect_stdouts=False, override_logging=False, quiet=True
            ).execute_from_commandline()


def share(process: psutil.Process, seconds: float) -> float:
    """Return the processor time of a process over so many seconds from now, as a share of one core."""
    before, began = process.cpu_times(), time.monotonic()
    time.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / (time.monotonic() - began)


def measure(rate: float, topics: int, seconds: float, folder: Path) -> None:
    """Start everything, and print what the worker costs."""
    forest.model()
    with running_stack(directory=folder / "stack") as stack:
        settings = Kafka(brokers=stack.brokers)
        both = [records.topic(f"{kind}.idle{i}.v1") for kind in ("jobs", "answers") for i in range(topics)]
        kafka.ensure_topics(settings, both)
        environment = os.environ | {"AFFLUENT_STACK_DIR": str(stack.directory)}
        command = [sys.executable, "-m", "tests.benchmarks.idle", "--serve", "--topics", str(topics)]
        with (folder / "worker.log").open("w") as log:
            worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        process = psutil.Process(worker.pid)
        process.cpu_affinity([0])
        try:
            load(settings, process, rate, topics, seconds)
        finally:
            worker.terminate()
            worker.wait(30)


def load(settings: Kafka, process: psutil.Process, rate: float, topics: int, seconds: float) -> None:
    """Send FIRST events, then nothing, then at the rate; print the worker's share of a core meanwhile."""
    producer, count = kafka.producer(settings, **{"linger.ms": 1}), FIRST + int(rate * seconds)
    _, _, keys, values = records.records(0, count)
    rows = list(zip(keys.raws(), values.raws(), strict=True))

    def send(i: int) -> None:
        producer.produce(f"jobs.idle{i % topics}.v1", rows[i][1], rows[i][0])
        producer.poll(0)

    for i in range(FIRST):
        send(i)
    producer.flush(30)
    while answered(settings, topics) < FIRST:
        time.sleep(0.3)
    time.sleep(2)
    print(f"without input: {share(process, 4) * 100:.1f} % of a core")
    before, began = process.cpu_times(), time.monotonic()
    for i in range(FIRST, count):
        time.sleep(max(began + (i - FIRST) / rate - time.monotonic(), 0))
        send(i)
    after, took = process.cpu_times(), time.monotonic() - began
    used = (after.user + after.system - before.user - before.system) / took
    producer.flush(30)
    print(f"{rate:,.0f} events/s over {topics} topics of {PARTITIONS} partitions: {used * 100:.1f} % of a core")
    print(f"load average {os.getloadavg()[0]:.1f}")


def answered(settings: Kafka, topics: int) -> int:
    """Return how many answers lie in all topics."""
    asking = Consumer({"bootstrap.servers": settings.brokers, "group.id": "idle"})
    places = [TopicPartition(f"answers.idle{i}.v1", p) for i in range(topics) for p in range(PARTITIONS)]
    ends = [asking.get_watermark_offsets(place, timeout=10)[1] for place in places]
    asking.close()
    return sum(ends)


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rate", type=float, default=500.0, help="events a second, over all topics")
    options.add_argument("--topics", type=int, default=5)
    options.add_argument("--seconds", type=float, default=15.0)
    options.add_argument("--serve", action="store_true", help="be the worker")
    given = options.parse_args()
    if given.serve:
        serve(given.topics)
    else:
        with tempfile.TemporaryDirectory(prefix="affluent-idle-") as folder:
            measure(given.rate, given.topics, given.seconds, Path(folder))


if __name__ == "__main__":
    main()
