"""How do the jobs get into Kafka? Encoded by the chunk, sent in order by one producer, so each courier's jobs stay in order."""

import time

import numpy as np
from numpy.typing import NDArray

from infra import kafka
from infra.kafka import columns as columnar
from infra.settings import Kafka
from schemas.columns import Columns, Strings, encode
from schemas.event import Topic
from tests.benchmarks.work.events import JobTaken
from tests.benchmarks.work.load import COURIERS, RESTAURANTS, Jobs, courier_id, jobs, restaurant_id
from tests.benchmarks.work.wire import JOB_ID, PARTITIONS, START_MS, assignment_id

CHUNK, PATIENCE_S = 50_000, 60.0
COURIER_IDS = Strings.of(courier_id(number) for number in range(COURIERS))
RESTAURANT_IDS = Strings.of(restaurant_id(number) for number in range(RESTAURANTS))


def topic(name: str) -> Topic:
    """Return a topic of the work by its name."""
    return Topic(name, key="courier_id", partitions=PARTITIONS)


def columns(first: int, last: int) -> Columns[JobTaken]:
    """Return the jobs number first to last (exclusive) as columns of our own class."""
    return columns_of(jobs(first, last))


def columns_of(drawn: Jobs) -> Columns[JobTaken]:
    """Return jobs as columns of our own class."""
    own = {
        "event_id": Strings.of(assignment_id(number) for number in drawn["number"].tolist()),
        "at": drawn["promised_at"],
        "courier_id": COURIER_IDS.take(drawn["courier"]),
        "restaurant_id": RESTAURANT_IDS.take(drawn["restaurant"]),
    }
    return Columns(JobTaken, own | {name: drawn[name] for name in JobTaken.model_fields if name not in own})


def records(first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Strings, Strings]:
    """Return them as records of one partition: offsets, append times, keys, values."""
    made, n = columns(first, last), last - first
    return np.arange(n), np.full(n, START_MS), made["courier_id"], encode(made, JOB_ID)


def write(settings: Kafka, name: str, n: int, first: int = 0) -> None:
    """Make the topic if it is not there and write n jobs into it. Raises RuntimeError if the broker does not take them all."""
    kafka.ensure_topics(settings, [topic(name)])
    producer = columnar.producer(settings)
    try:
        for start in range(first, first + n, CHUNK):
            _, _, keys, values = records(start, min(start + CHUNK, first + n))
            producer.produce(name, values, keys)
            producer.serve(0)
        until = time.monotonic() + PATIENCE_S
        while len(producer) and time.monotonic() < until:
            producer.serve(0.05)
        if len(producer):
            raise RuntimeError(f"{len(producer)} jobs were not taken by the broker within {PATIENCE_S:g} s")
    finally:
        producer.close()
