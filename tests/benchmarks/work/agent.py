"""How does our agent do the work? As any agent of ours: a compiled fold over a table, one call of the model, columns out."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.scoring import Scorer
from models.tables import State, TableSpec
from schemas.columns import Batch, Ragged, Strings, hash_strings
from schemas.event import Event
from streams.engine.topology import Agent, Output
from tests.benchmarks.work.domain import FADE, FEATURES, WINDOW_MS
from tests.benchmarks.work.events import DelayAnswered, JobTaken, placed
from tests.benchmarks.work.wire import MODEL_VERSION

RING = 80
"""Jobs of 15 minutes that a row can hold; the load has 66 at most. More are counted as `window_full`, and verification sees it."""

COURIERS = TableSpec(
    "couriers",
    np.dtype(
        [
            ("n", "i8"),
            ("ewma", "f8"),
            ("last", "i8"),  # ms
            ("first", "i4"),  # where in the ring the window begins
            ("held", "i4"),  # how many times are in it
            ("times", "u4", (RING,)),  # ms, the lower 32 bits: enough for differences below 49 days
        ]
    ),
)
_ANGLE = 2 * np.pi * np.arange(24) / 24
SIN, COS = np.sin(_ANGLE), np.cos(_ANGLE)


@compiled
def fold(
    slots,
    rows,
    at,
    distance,
    items,
    hour,
    dow,
    temperature,
    rain,
    traffic,
    prep,
    wind,
    load,
    rating,
    text,
    start,
    sines,
    cosines,
    out,
):
    """Take each job into its courier's row and write its features; returns how many times did not fit into a ring."""
    lost = 0
    for i in range(slots.shape[0]):
        row = rows[slots[i]]
        t, d = at[i], distance[i]
        if row.n == 0:
            row.ewma = d
            since = -1.0
        else:
            row.ewma = row.ewma + FADE * (d - row.ewma)
            since = (t - row.last) / 1000
        row.n += 1
        row.last = t
        if row.held == RING:
            row.first = (row.first + 1) % RING
            row.held -= 1
            lost += 1
        row.times[(row.first + row.held) % RING] = np.uint32(t & 0xFFFFFFFF)
        row.held += 1
        while (t - np.int64(row.times[row.first])) & 0xFFFFFFFF >= WINDOW_MS:
            row.first = (row.first + 1) % RING
            row.held -= 1
        number = 0
        for k in range(1, 5):
            number = 10 * number + (text[start[i] + k] - 48)
        f = out[i]
        f[0], f[1], f[2], f[3], f[4] = d, items[i], hour[i], dow[i], temperature[i]
        f[5], f[6], f[7], f[8], f[9], f[10] = rain[i], traffic[i], prep[i], wind[i], load[i], rating[i]
        f[11], f[12], f[13], f[14], f[15] = row.n, row.ewma, since, row.held, d / row.ewma
        f[16], f[17], f[18], f[19] = sines[hour[i]], cosines[hour[i]], dow[i] >= 5, number
    return lost


def agent(name: str, reads: str, writes: str, score: Scorer) -> Agent:
    """Return the agent. name: unique to a run, as its state's topic is named after it. score: the forest."""
    job, answer = placed(JobTaken, reads), placed(DelayAnswered, writes)
    return Agent(name, step(job, answer, score), job.topic, (answer,), (COURIERS,), holds=(job,))


def step(job: type[Event], answer: type[Event], score: Scorer) -> Callable[[Batch, State], Iterator[Output]]:
    """Return what the agent does with a batch."""

    def predict(facts: Batch, state: State) -> Iterator[Output]:
        jobs = facts.of(job)
        with state.stage("features"):
            x = _features(jobs.fields, jobs.n, state)
        with state.stage("score"):
            delay = score(x)
        said = {
            "assignment_id": jobs["event_id"],
            "courier_id": jobs["courier_id"],
            "delay_s": delay.astype(np.float64),
            "model_version": Strings.repeated(MODEL_VERSION, jobs.n),
            "features": Ragged.of(x.astype(np.float64)),
        }
        yield Output(answer, facts.order(job), said)

    return predict


def _features(job: Mapping[str, Any], n: int, state: State) -> NDArray[np.float32]:
    table, place = state[COURIERS], job["restaurant_id"]
    slots = table.slots(hash_strings(job["courier_id"]))
    x = np.empty((n, FEATURES), np.float32)
    lost = fold(
        slots, table.rows, job["at"], job["distance_km"], job["items"], job["hour"], job["dow"], job["temperature_c"], job["rain"],
        job["traffic"], job["prep_min"], job["wind"], job["load"], job["rating"], place.data, place.start, SIN, COS, x,
    )  # fmt: skip
    state.count("window_full", lost)
    return x
