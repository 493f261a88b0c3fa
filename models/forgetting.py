"""When is what nobody uses forgotten? At the first tick of each day of UTC, so that a replay forgets at the same place of the log.

A table says which of its fields holds the moment of last use and how long a row may be idle (`TableSpec.idle`). Whether a row is
idle is judged by event time alone: the tick's against the row's, never by who touched it in which batch.
"""

from collections.abc import Iterable, Iterator
from typing import get_args

import numpy as np

from models.tables import State, TableSpec
from schemas.columns import Batch
from schemas.control import Control

_TICK = get_args(Control.model_fields["kind"].annotation).index("tick")
_HOURS_A_DAY = 24


def days(facts: Batch, state: State, tables: Iterable[TableSpec]) -> Iterator[Batch]:
    """Yield the batch cut after each tick that begins a day; once such a piece is folded, forget what is idle in these tables."""
    start = 0
    controls = facts.of(Control)
    if controls.n:
        begins = (np.asarray(controls["kind"]) == _TICK) & (np.asarray(controls["number"]) % _HOURS_A_DAY == 0)
        places, names = facts.order(Control)[begins], controls["name"].take(np.flatnonzero(begins))
        for place, name in zip(places.tolist(), names.tolist(), strict=True):
            if name == "hour":
                yield facts.slice(start, place + 1)
                forget(state, tables, int(facts.at[place]))
                start = place + 1
    if start < facts.n:
        yield (facts.slice(start, facts.n) if start else facts)


def forget(state: State, tables: Iterable[TableSpec], now: int) -> None:
    """Drop the rows that were idle for too long as of now (ms), and count them as `forgotten_<table>`."""
    for spec in tables:
        if spec.idle is not None:
            old = state[spec].idle(now - spec.idle[1])
            state[spec].drop(old)
            state.count(f"forgotten_{spec.name}", len(old))
