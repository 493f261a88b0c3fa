"""How many predictions of 20 features does a sink write into Postgres a second, and what does a row cost it?

    python -m tests.benchmarks.sink_rows [--rows 200000] [--wire]

Without `--wire` batches come from memory: decode, COPY, INSERT, commit. With it the real loop reads them from Kafka. Either way the
client is held on one core, the servers on the others; the embedded stack that runs here is used, or one of our own is started.
"""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Flag
from uuid import uuid4

import numpy as np
import psycopg
from prometheus_client import CollectorRegistry

from consumers import migrations
from consumers.history import History, counts
from consumers.sink import SETTINGS, Loop, Sink
from consumers.stretch import Span, Stretch
from infra import kafka
from infra.metrics import SinkMetrics
from infra.settings import Kafka
from infra.stack import running_stack
from schemas import avro
from schemas.columns import Columns, Ragged, Reader, Records, Strings, encode, warm
from schemas.dispatch import DELAY_PREDICTED, DelayPredicted
from schemas.event import Topic
from tests.builders import build

SCHEMA_ID, BATCH, FEATURES = 1, 10_000, 20


def predictions(first: int, n: int) -> Columns[DelayPredicted]:
    """Return n predictions a second apart, numbered from `first`, of 40 depots."""
    usual = Columns.of([build(DelayPredicted)]).take(np.zeros(n, np.int64))
    numbers = np.arange(first, first + n)
    return Columns(
        DelayPredicted,
        usual.fields
        | {
            "event_id": Strings.of([f"{i:032x}" for i in numbers]),
            "cause": Strings.of([f"{i:032x}" for i in numbers]),
            "assignment_id": Strings.of([f"assignment-{i}" for i in numbers]),
            "depot_id": Strings.of([f"depot-{i % 40}" for i in numbers]),
            "at": usual["at"] + numbers * 1000,
            "features": Ragged.of(np.random.default_rng(first).random((n, FEATURES))),
        },
    )


def stretches(rows: int) -> Iterator[Stretch]:
    """Yield the batches of one partition."""
    reader = Reader(DELAY_PREDICTED, lambda _id: avro.schema(DelayPredicted))
    for start in range(0, rows, BATCH):
        columns = predictions(start, BATCH)
        offsets = np.arange(start, start + BATCH)
        records = Records(DELAY_PREDICTED.name, 0, offsets, columns["at"], columns["depot_id"], encode(columns, SCHEMA_ID))
        yield Stretch(DELAY_PREDICTED, reader.read(records), (Span(0, start, start + BATCH, BATCH),))


def from_memory(history: History, rows: int) -> tuple[float, float]:
    """Return seconds and processor seconds of writing, decoding included."""
    history.offsets([(DELAY_PREDICTED.name, 0)])
    wall = cpu = 0.0
    reader = Reader(DELAY_PREDICTED, lambda _id: avro.schema(DelayPredicted))
    for made in stretches(rows):
        before, used = time.perf_counter(), time.process_time()
        history.write([Stretch(DELAY_PREDICTED, reader.read(made.batch.records), made.spans)])
        wall, cpu = wall + time.perf_counter() - before, cpu + time.process_time() - used
    return wall, cpu


class Timed(History):
    """A history that remembers when it was first asked to write; joining a group is not the matter here."""

    began: tuple[float, float] | None = None

    def write(self, stretches: Sequence[Stretch]) -> None:
        """Write them."""
        self.began = self.began or (time.perf_counter(), time.process_time())
        super().write(stretches)


def from_wire(history: Timed, metrics: SinkMetrics, settings: Kafka, rows: int) -> tuple[float, float]:
    """Return seconds and processor seconds of the loop, from its first write to the end of the topic."""
    name = f"dispatch.bench-{uuid4().hex[:8]}.v1"
    topic = Topic(name, key="depot_id")
    kafka.ensure_topics(settings, [topic])
    producer = kafka.producer(settings, **{"queue.buffering.max.messages": 1_000_000})
    for start in range(0, rows, BATCH):
        columns = predictions(start, BATCH)
        for key, value in zip(columns["depot_id"].raws(), encode(columns, SCHEMA_ID).raws(), strict=True):
            producer.produce(name, value, key)
        producer.flush()
    consumer = kafka.consumer(settings, group=name, **SETTINGS, **{"enable.partition.eof": True})
    loop = Loop(
        [Sink(reads=topic, into=history, holds=(DelayPredicted,))],
        consumer=consumer,
        schemas=lambda _id: avro.schema(DelayPredicted),
        metrics=metrics,
        stop=Flag(),
        drain=True,
    )
    loop.run()
    assert history.began is not None
    return time.perf_counter() - history.began[0], time.process_time() - history.began[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--wire", action="store_true")
    given = parser.parse_args()
    warm()
    with ExitStack() as stack:
        servers = stack.enter_context(running_stack(directory=Path(stack.enter_context(TemporaryDirectory())) / "stack"))
        base = f"bench_{uuid4().hex[:8]}"
        with psycopg.connect(servers.postgres_dsn, autocommit=True) as session:
            session.execute(f"CREATE DATABASE {base}")
        dsn = servers.postgres_dsn.rpartition("/")[0] + f"/{base}"
        migrations.migrate(dsn)
        metrics = SinkMetrics(CollectorRegistry())
        history = Timed(dsn, sink=base, metrics=metrics, now=time.time)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {0})
        if given.wire:
            wall, cpu = from_wire(history, metrics, Kafka(brokers=servers.brokers), given.rows)
        else:
            wall, cpu = from_memory(history, given.rows)
        kept = counts(dsn)["delay_predicted"]
        print(f"{kept:,} rows of {given.rows:,}: {kept / wall:,.0f} rows/s, {1e6 * cpu / kept:.2f} us of the client's core a row")


if __name__ == "__main__":
    main()
