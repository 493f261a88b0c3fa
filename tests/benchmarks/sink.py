"""How many predictions of 20 features does a sink write into Postgres a second, and what does a row cost it?

    python -m tests.benchmarks.sink [--rows 200000] [--json] [--quick]

From memory: decode, COPY, INSERT, commit. From the wire: the real loop reads them from Kafka. Either way the client is held on the
first core, the servers on the others; Postgres has the commits of a laptop (no replica), and each row is counted in the table after.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from threading import Event as Flag
from typing import Any
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
from infra.stack import StackState
from schemas import avro
from schemas.columns import Columns, Ragged, Reader, Records, Strings, encode, warm
from schemas.dispatch import DELAY_PREDICTED, DelayPredicted
from schemas.event import Topic
from tests.benchmarks.harness import cores, told
from tests.benchmarks.harness.scene import scene
from tests.builders import build

SCHEMA_ID, BATCH, FEATURES = 1, 10_000, 20
ROWS, QUICK_ROWS = 500_000, 20_000


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
    consumer = kafka.consumer(settings, group=name, **SETTINGS)
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


def measured(servers: StackState, rows: int, *, wire: bool) -> dict[str, Any]:
    """Write so many rows into a database of their own and return what it cost."""
    base = f"bench_{uuid4().hex[:8]}"
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as session:
        session.execute(f"CREATE DATABASE {base}")
    dsn = servers.postgres_dsn.rpartition("/")[0] + f"/{base}"
    migrations.migrate(dsn)
    metrics = SinkMetrics(CollectorRegistry())
    history = Timed(dsn, sink=base, metrics=metrics, now=time.time)
    if wire:
        wall, cpu = from_wire(history, metrics, Kafka(brokers=servers.brokers), rows)
    else:
        wall, cpu = from_memory(history, rows)
    kept = counts(dsn)["delay_predicted"]
    return {"rows": kept, "expected": rows, "rows_per_s": round(kept / wall), "cpu_us_per_row": round(1e6 * cpu / kept, 2)}


def table(found: dict[str, Any]) -> str:
    """Return the result for people."""
    lines = []
    for how in ("memory", "wire"):
        each = found[how]
        speed = f"{each['rows_per_s']:,}/s, {each['cpu_us_per_row']:.2f} us of the client's core a row"
        lines.append(f"from {how}: {each['rows']:,} rows of {each['expected']:,}: {speed}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=None)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="few rows: to see that it works")
    given = parser.parse_args()
    rows = given.rows or (QUICK_ROWS if given.quick else ROWS)
    warm()
    with scene() as at:
        cores.hold(cores.worker_cores())
        found = {how: measured(at.stack, rows, wire=how == "wire") for how in ("memory", "wire")}
    answer = {"rows_per_s": found["wire"]["rows_per_s"], **found, "features": FEATURES, "machine": told.machine()}
    told.result(answer) if given.json else print(table(answer))


if __name__ == "__main__":
    told.run(main)
