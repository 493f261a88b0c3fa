"""What is the largest state a worker should hold? An agent that remembers every job it saw, one row of 128 bytes each."""

from collections.abc import Callable, Iterator

import numpy as np

from models.tables import State, TableSpec
from schemas.columns import Batch, hash_strings
from schemas.event import Event
from streams.engine.topology import Agent, Output
from tests.benchmarks.work.events import DelayAnswered, JobTaken, placed

SEEN = TableSpec("jobs", np.dtype([("at", "i8"), ("figures", "f8", (15,))]))
"""128 bytes."""


def agent(name: str, reads: str, writes: str) -> Agent:
    """Return the agent. It says nothing; what it would write is named because an agent writes something."""
    job, answer = placed(JobTaken, reads), placed(DelayAnswered, writes)
    return Agent(name, _step(job), job.topic, (answer,), (SEEN,), holds=(job,))


def _step(job: type[Event]) -> Callable[[Batch, State], Iterator[Output]]:
    def remember(facts: Batch, state: State) -> Iterator[Output]:
        jobs, table = facts.of(job), state[SEEN]
        with state.stage("features"):
            slots = table.slots(hash_strings(jobs["event_id"]))
            table.rows["at"][slots] = jobs["at"]
            table.rows["figures"][slots] = jobs["distance_km"][:, None] * np.arange(1.0, 16.0)
        yield from ()

    return remember
