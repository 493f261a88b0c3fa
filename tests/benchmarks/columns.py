"""What does each stage between raw records and columns cost? Prints CPU microseconds a record.

Run as `python -m tests.benchmarks.columns`. Best of several rounds, one thread; batches of 1, 100, 1,000 and 10,000 records. fastavro,
one dict a record and without any check, is measured beside it.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import fastavro
import numpy as np

from schemas import avro
from schemas.columns import Columns, Reader, Records, derive_ids, encode, hash_strings, warm
from schemas.dispatch import ASSIGNMENTS, DELAY_PREDICTED, AssignmentAccepted, DelayPredicted
from tests.builders import many


def best(work: Callable[[], Any], rounds: int, repeats: int) -> float:
    """Return the least CPU seconds of one call: other programs on the machine do not count."""
    least = float("inf")
    for _ in range(rounds):
        begun = time.thread_time()
        for _ in range(repeats):
            work()
        least = min(least, (time.thread_time() - begun) / repeats)
    return least


def _events(n: int) -> tuple[Columns[AssignmentAccepted], Columns[DelayPredicted]]:
    facts = many(
        AssignmentAccepted, n, every=timedelta(seconds=1), courier_id=lambda i: f"N{i % 2000:05d}", assignment_id=lambda i: f"as-{i:08d}",
        depot_id="JFK", route_id=lambda i: f"JFK-{i % 90}", lateness_s=lambda i: i % 700 - 100.5, distance_km=lambda i: 1.5 * (i % 900),
    )  # fmt: skip
    features = [float(k) / 3 for k in range(20)]
    answers = many(
        DelayPredicted, n, every=timedelta(seconds=1), depot_id="JFK", features=features, model="dispatch.delay/flights@0123"
    )
    return Columns.of(facts), Columns.of(answers)


def measure(n: int, rounds: int) -> dict[str, float]:
    """Return microseconds a record of each stage, for batches of n."""
    facts, answers = _events(n)
    repeats = max(1, 4_000 // n)
    raws = encode(facts, 1).raws()
    messages = [(i, 0, b"JFK", raw) for i, raw in enumerate(raws)]
    records = Records.of(ASSIGNMENTS.name, 0, messages)
    reader = Reader(ASSIGNMENTS, {1: avro.schema(AssignmentAccepted)}.get)
    batch = reader.read(records)
    outputs = encode(answers, 2)
    back = Records.of(DELAY_PREDICTED.name, 0, [(i, 0, b"JFK", raw) for i, raw in enumerate(outputs.raws())])
    answers_reader = Reader(DELAY_PREDICTED, {2: avro.schema(DelayPredicted)}.get)
    schema = fastavro.parse_schema(avro.schema(AssignmentAccepted))
    columns = batch.of(AssignmentAccepted)
    keep = ["at", "lateness_s", "distance_km"]
    mask = np.arange(n) % 10 == 0

    def by_fastavro() -> None:
        for raw in raws:
            fastavro.schemaless_reader(io.BytesIO((raw or b"")[5:]), schema)

    stages: dict[str, Callable[[], Any]] = {
        "join messages (Records.of)": lambda: Records.of(ASSIGNMENTS.name, 0, messages),
        "read 14 fields: frame, decode, check, columns": lambda: reader.read(records),
        "read 18 fields with 20 features": lambda: answers_reader.read(back),
        "encode 14 fields": lambda: encode(facts, 1),
        "encode 18 fields with 20 features": lambda: encode(answers, 2),
        "hash two texts": lambda: hash_strings(columns["depot_id"], columns["courier_id"]),
        "derive ids": lambda: derive_ids("DelayPredicted", batch.event_ids),
        "drop a tenth": lambda: batch.drop(mask),
        "slice in halves": lambda: (batch.slice(0, n // 2), batch.slice(n // 2, n)),
        "features as a matrix": lambda: answers["features"].matrix(20),
        "tuples of three fields": lambda: list(columns.tuples(keep)),
        "rows (typed events)": lambda: list(batch.rows()),
        "fastavro reads 14 fields, unchecked": by_fastavro,
    }
    return {name: best(work, rounds, repeats) / n * 1e6 for name, work in stages.items()}


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    begun = time.perf_counter()
    warm()
    ready = time.perf_counter() - begun
    found = {n: measure(n, given.rounds) for n in (1, 100, 1_000, 10_000)}
    if given.json:
        print(json.dumps({"warm_s": ready, "us_per_record": found}))
        return
    print(f"kernels ready in {ready:.2f} s; CPU microseconds a record by batch size:")
    print(f"{'':50}" + "".join(f"{n:>10,}" for n in found))
    for stage in found[1]:
        print(f"{stage:50}" + "".join(f"{found[n][stage]:10.3f}" for n in found))


if __name__ == "__main__":
    main()
