"""Is our compiled fold the plain program, whatever the jobs and however they are cut into batches? And are the bytes the specified ones?"""

import io
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tables import State
from schemas import avro, catalogue
from schemas.columns import Reader, Records, encode
from schemas.event import events
from streams.engine.processor import Processor
from tests.benchmarks.work import agent, domain, forest, load, records, wire
from tests.benchmarks.work.events import DelayAnswered, JobTaken, placed

JOBS, ANSWERS = "bench.jobs.v1", "bench.answers.v1"


def answered(jobs: load.Jobs, cuts: list[int]) -> np.ndarray:
    """The features that our agent writes for jobs, read in batches that end at the cuts."""
    made = agent.agent("bench", JOBS, ANSWERS, Sum())
    (job,), (answer,) = made.holds or (), made.writes
    reader = Reader(made.reads, {wire.JOB_ID: avro.schema(job)}.get, holds=(job,))
    processor = Processor(made, 0, reader=reader, schema_ids={answer: wire.ANSWER_ID})
    values = encode(records.columns_of(jobs), wire.JOB_ID)
    n = len(jobs["number"])
    whole = Records(JOBS, 0, np.arange(n), np.zeros(n, np.int64), records.COURIER_IDS.take(jobs["courier"]), values)
    back = Reader(answer.topic, {wire.ANSWER_ID: avro.schema(answer)}.get, holds=(answer,))
    found = []
    for first, last in zip([0, *cuts], [*cuts, n], strict=True):
        for sent in processor.process(whole.slice(first, last)).sent:
            count = len(sent.values)
            found.append(
                back.read(Records(ANSWERS, 0, np.arange(count), np.zeros(count, np.int64), sent.keys, sent.values))[
                    "features"
                ].matrix(20)
            )
    return np.concatenate(found)


class Sum:
    """A model that needs no file."""

    name = "sum"

    def warm(self) -> None:
        """Nothing to do."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The sum of a row."""
        return x.sum(axis=1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 4), st.lists(st.integers(1, 79), max_size=4))
def test_our_fold_is_the_plain_program_however_the_log_is_cut(seed: int, n: int, couriers: int, cuts: list[int]) -> None:
    random = np.random.default_rng(seed)
    jobs = dict(load.jobs(0, n))
    jobs["courier"] = random.integers(0, couriers, n)
    jobs["promised_at"] = wire.START_MS + np.cumsum(random.choice([0, 1, 120, 60_000, 450_000, 900_000], n))

    ours = answered(jobs, sorted({cut for cut in cuts if cut < n}))

    np.testing.assert_array_equal(ours, forest.seen(jobs).astype(np.float64))


def test_a_job_leaves_the_window_after_exactly_15_minutes() -> None:
    courier, job = (
        domain.Courier(),
        {name: column[0].item() for name, column in load.jobs(0, 1).items()} | {"restaurant_id": "r0001"},
    )
    counts = [domain.features(job | {"promised_at": at}, courier)[14] for at in (0, 899_999, 900_000, 1_799_999)]
    assert counts == [1, 2, 2, 2]


def test_the_longest_window_of_the_load_fits_the_row() -> None:
    job = load.jobs(0, load.DRAWN)
    order = np.lexsort((job["number"], job["courier"]))
    at, who = job["promised_at"][order], job["courier"][order]
    too_many = (who[agent.RING :] == who[: -agent.RING]) & (at[agent.RING :] - at[: -agent.RING] < domain.WINDOW_MS)
    assert not too_many.any()


def test_a_foreign_program_reads_our_jobs_by_the_specified_schema() -> None:
    _, _, keys, values = records.records(41, 43)
    found: Any = fastavro.schemaless_reader(
        io.BytesIO((values.raw(1) or b"")[wire.HEAD_BYTES :]), fastavro.parse_schema(wire.JOB_MS)
    )
    assert found["assignment_id"] == wire.assignment_id(42) == "as-00000042"
    assert found["promised_at"] == wire.START_MS + 42 * wire.EVERY_MS
    assert found["courier_id"] == keys[1]
    assert found["rating"] == load.jobs(42, 43)["rating"][0]
    assert (values.raw(1) or b"")[: wire.HEAD_BYTES] == wire.head(wire.JOB_ID)


def test_a_longer_load_begins_with_the_shorter_one() -> None:
    for name, column in load.jobs(5, 9).items():
        np.testing.assert_array_equal(column, load.jobs(0, 100)[name][5:9])


@pytest.mark.parametrize("event", [JobTaken, DelayAnswered, placed(JobTaken, JOBS), placed(DelayAnswered, ANSWERS)])
def test_the_work_is_not_in_the_products_catalogue(event: type) -> None:
    assert event not in events().values()
    assert not any(name.startswith("bench.") for name in catalogue.topics())


def test_more_jobs_than_a_ring_holds_are_counted() -> None:
    n = agent.RING + 3
    jobs = dict(load.jobs(0, n)) | {"courier": np.zeros(n, np.int64)}
    state = State((agent.COURIERS,))
    agent._features(records.columns_of(jobs).fields, n, state)
    assert state.take_counts() == {"window_full": 3}
