"""What would an agent publish today? Its outputs of a stretch of facts are made again, and counted or handed on; nothing is compared."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streams.engine.processor import Sent
from streams.engine.topology import Agent
from streams.replay.folding import CUT, Means, fold
from streams.replay.log import Log
from streams.replay.verdict import Verdict


def rewrite(
    log: Log, agent: Agent, partition: int, means: Means, *, stop: int, start: int = 0, cut: int = CUT,
    post: Callable[[Sent], None] = lambda _sent: None, progress: Callable[[int], None] = lambda _n: None,
) -> Verdict:  # fmt: skip
    """Compute a partition again; hand on and count what the facts from offset start to before stop lead to. Raises Fault, Unavailable.

    The verdict has counts only. post: takes outputs of one class, in order.
    """
    verdict = Verdict(agent.name, records=max(stop - start, 0))
    for records, effects in fold(log, agent, partition, stop, means, cut=cut):
        for sent in effects.sent:
            kept = np.flatnonzero(sent.offsets >= start)
            if len(kept):
                post(sent if len(kept) == len(sent.offsets) else _take(sent, kept))
                name = sent.event.__name__
                verdict.outputs[name] = verdict.outputs.get(name, 0) + len(kept)
        progress(len(records))
    return verdict


def _take(sent: Sent, rows: NDArray[np.int64]) -> Sent:
    ids, causes, keys, values = (each.take(rows) for each in (sent.ids, sent.causes, sent.keys, sent.values))
    return Sent(sent.event, sent.partition, ids, causes, keys, values, sent.offsets[rows], sent.appended_at[rows])
