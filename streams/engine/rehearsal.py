"""How does no event wait for a compiler? All that tables, state log and recent ids ever do is done once, to a state thrown away."""

import numpy as np

from models.tables import State, TableSpec
from streams.engine import statelog
from streams.engine.recent import Recent

_SPEC = TableSpec("rehearsed", np.dtype([("at", "i8")]), idle=("at", 1))
_KEYS = 300  # more than the first index holds: it grows


def rehearse() -> None:
    """Compile, or load from the cache on disk, what the engine runs beside the agents' own folds."""
    state, recent = State([_SPEC]), Recent(4, 1)
    table, numbers = state[_SPEC], np.arange(_KEYS, dtype=np.uint64)
    slots = table.slots(np.stack([numbers, numbers], axis=1))
    table.rows["at"][slots] = 1
    state.keep()
    table.drop(table.idle(2)[:1])
    state.restore()
    table.drop(table.find(np.zeros((1, 2), np.uint64)))
    state.keep()
    ids, at = numbers[:2], np.arange(2)
    recent.add(ids[~recent.seen(ids, at, np.ones(2, np.bool_))], at)
    rows = (("rehearsed", table.take_changes()), ("rehearsed", table.sweep(0, 1)))
    epoch = statelog.Epoch(0, 1, rows, (recent.span(0, recent.head),), recent.head)
    reading = statelog.Recovery(State([_SPEC]), Recent(4, 1), where="rehearsal")
    for offset, raw in enumerate(statelog.write(epoch, writer="rehearsal", number=0)):
        reading.feed(raw, offset)
    reading.finish()
