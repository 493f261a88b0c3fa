"""Is everything compiled after a rehearsal, whatever happens then?"""

from typing import Any

import numpy as np
from numba.core.registry import CPUDispatcher

from models import probing, undoing
from models.tables import State, TableSpec
from streams.engine import recent, statelog
from streams.engine.recent import Recent
from streams.engine.rehearsal import rehearse

SPEC = TableSpec("visits", np.dtype([("n", "i4"), ("seen_at", "i8"), ("tag", "u1", (3,))]), idle=("seen_at", 10))
RARE = {"compact"}
"""Waits for no event: between batches, after most rows were forgotten."""


def kernels() -> dict[str, Any]:
    return {
        name: value
        for module in (probing, undoing, recent)
        for name, value in vars(module).items()
        if isinstance(value, CPUDispatcher) and not value.targetoptions.get("forceinline")
    }


def test_after_a_rehearsal_no_table_makes_anything_compile() -> None:
    rehearse()
    before = {name: len(each.signatures) for name, each in kernels().items()}

    state, ids = State([SPEC]), Recent(100, 10)
    random = np.random.default_rng(1)
    for batch in range(6):
        keys = random.integers(0, 1 << 40, (1_000, 2)).astype(np.uint64)
        slots = state[SPEC].slots(keys)
        state[SPEC].rows["seen_at"][slots] = batch
        state[SPEC].drop(state[SPEC].idle(batch))
        state.restore() if batch == 2 else state.keep()
        own, at = keys[:50, 0], np.arange(50)
        ids.add(own[~ids.seen(own, at, np.ones(50, np.bool_))], at)
    rows = (("visits", state[SPEC].take_changes()), ("visits", state[SPEC].sweep(0, 100)))
    epoch = statelog.Epoch(0, 1, rows, (ids.span(0, ids.head),), ids.head)
    reading = statelog.Recovery(State([SPEC]), Recent(100, 10), where="here")
    for offset, raw in enumerate(statelog.write(epoch, writer="w", number=0)):
        reading.feed(raw, offset)
    reading.finish()

    assert {name: len(each.signatures) for name, each in kernels().items()} == before
    assert {name for name, count in before.items() if count == 0} <= RARE
