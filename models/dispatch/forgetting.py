"""When is what we know forgotten? At the first tick of each day of UTC, so a replay forgets at the same place of the log."""

from collections.abc import Iterator
from typing import get_args

import numpy as np

from models.tables import State, TableSpec
from schemas.columns import Batch
from schemas.control import Control

_TICK = get_args(Control.model_fields["kind"].annotation).index("tick")
_HOURS_A_DAY = 24


def days(facts: Batch) -> Iterator[tuple[Batch, int | None]]:
    """Yield the batch cut after each tick that begins a day, with the tick's time (ms); None after the last piece."""
    start = 0
    controls = facts.of(Control)
    if controls.n:
        begins = (np.asarray(controls["kind"]) == _TICK) & (np.asarray(controls["number"]) % _HOURS_A_DAY == 0)
        places, names = facts.order(Control)[begins], controls["name"].take(np.flatnonzero(begins))
        for place, name in zip(places.tolist(), names.tolist(), strict=True):
            if name == "hour":
                yield facts.slice(start, place + 1), int(facts.at[place])
                start = place + 1
    if start < facts.n:
        yield (facts.slice(start, facts.n) if start else facts), None


def forget(state: State, spec: TableSpec, field: str, before: int) -> int:
    """Drop the rows whose moment (ms; 0 is none) lies before; return and count how many were forgotten."""
    table = state[spec]
    moments = table.rows[field]
    old = np.flatnonzero((moments > 0) & (moments < before))
    table.drop(old)
    state.count(f"forgotten_{spec.name}", len(old))
    return len(old)
