"""What is the smallest agent with state? One that counts the jobs of each courier and adds up their kilometres."""

from collections.abc import Iterator

import numpy as np

from models.compiled import compiled
from models.tables import State, TableSpec
from schemas.columns import Batch, Nullable, Ragged, Strings, hash_strings
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted, DelayPredicted
from streams.engine.topology import Output, Topology

COURIERS = TableSpec("couriers", np.dtype([("jobs", "i8"), ("km", "f8")]))
TOY = Topology("streams-toy")
POISON = 666
"""An acceptance with so many items makes the step raise, after it has changed its state."""


@compiled
def _fold(slots, km, jobs, sums, out):
    for i in range(slots.shape[0]):
        jobs[slots[i]] += 1
        sums[slots[i]] += km[i]
        out[i, 0] = jobs[slots[i]]
        out[i, 1] = sums[slots[i]]


@TOY.agent(reads=ASSIGNMENTS, writes=(DelayPredicted,), state=(COURIERS,))
def count_jobs(facts: Batch, state: State) -> Iterator[Output]:
    """Abstain from predicting, but tell the counts as features; the model in force stands in `model`."""
    state.count("ticks", len(facts.of(Control)))
    accepted = facts.of(AssignmentAccepted)
    n = accepted.n
    table = state[COURIERS]
    slots = table.slots(hash_strings(accepted["depot_id"], accepted["courier_id"]))
    out = np.zeros((n, 2))
    _fold(slots, accepted["distance_km"], table.rows["jobs"], table.rows["km"], out)
    if (accepted["items"] == POISON).any():
        raise ValueError("the poison was swallowed")
    nothing = Nullable(np.zeros(n), np.zeros(n, np.bool_))
    same = ("assignment_id", "depot_id", "company_id", "courier_id", "source", "promised_at")
    yield Output(
        DelayPredicted,
        facts.order(AssignmentAccepted),
        {name: accepted[name] for name in same}
        | dict.fromkeys(("delay_s", "low_s", "high_s", "baseline_s"), nothing)
        | {
            "model": Strings.repeated(state.models.get("toy", ""), n),
            "rung": np.full(n, 4, np.uint8),
            "reason": Strings.repeated("a toy", n),
            "features": Ragged.of(out),
        },
    )
