"""Does a partition still give what was published from it? It is folded from its first record on, and all its outputs are compared.

Letters are compared as well. They are keyed by the topic they came from, so they lie in one partition with those of other partitions
and agents; but each says where it came from, so every partition finds its own among them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from infra.errors import Fault
from infra.kafka import partition_for
from schemas.columns import Batch, Reader, hash_strings, hash_text
from schemas.letters import DEAD_LETTERS, DeadLetter
from streams.engine.topology import Agent
from streams.replay.comparison import Comparison, Place
from streams.replay.folding import CUT, Means, fold, outputs
from streams.replay.log import Log
from streams.replay.matching import WINDOW
from streams.replay.verdict import Verdict


def verify(
    log: Log, agent: Agent, partition: int, means: Means, *, stop: int, start: int = 0, latencies: bool = False, cut: int = CUT,
    window: int = WINDOW, progress: Callable[[int], None] = lambda _n: None,
) -> Verdict:  # fmt: skip
    """Compute a partition again and compare what the facts from offset start to before stop led to. Raises Fault, Unavailable.

    stop: at most where the agent has come to. latencies: note how late each output came. progress: told how many facts were folded.
    cut, window: how many facts are folded at once, and how many ids are remembered; they change no verdict.
    """
    verdict = Verdict(agent.name, records=max(stop - start, 0))
    places = [Place(topic, partition, partition) for topic in dict.fromkeys(event.topic for event in agent.writes)]
    places.append(_letters(log, agent, partition, stop))
    sides = {
        place.topic.name: Comparison(log, place, means.schemas, verdict, start=start, latencies=latencies, window=window)
        for place in places
    }
    for records, effects in fold(log, agent, partition, stop, means, cut=cut):
        for sent in effects.sent:
            if sent.partition is None and sent.event is not DeadLetter:
                raise Fault(
                    f"{agent.name}: the key of {sent.event.__name__} is not that of {agent.reads.name}, so its outputs may lie in any "
                    "partition; they cannot be verified yet"
                )
            sides[sent.topic.name].recomputed(sent.event, outputs(sent))
        progress(len(records))
    beyond = _ids_from(log, agent, partition, stop, means)
    for side in sides.values():
        side.finish(beyond)
    return verdict


def _letters(log: Log, agent: Agent, partition: int, stop: int) -> Place:
    """Return where the letters of a partition lie, and which they are."""
    source = agent.reads.name
    ours = hash_text(agent.name, source)[0]

    def mine(batch: Batch) -> NDArray[np.bool_]:
        letters, found = batch.of(DeadLetter), np.zeros(batch.n, np.bool_)
        asked = hash_strings(letters["agent"], letters["origin_topic"])[:, 0] == np.uint64(ours)
        found[batch.order(DeadLetter)] = asked & (letters["origin_partition"] == partition) & (letters["origin_offset"] < stop)
        return found

    return Place(DEAD_LETTERS, partition_for(source.encode(), log.partitions(DEAD_LETTERS.name)), partition, mine)


def _ids_from(log: Log, agent: Agent, partition: int, start: int, means: Means) -> NDArray[np.uint64]:
    """Return the ids of the facts from an offset to the end, hashed and sorted."""
    reader, (_, end) = Reader(agent.reads, means.schemas, holds=agent.holds), log.bounds(agent.reads.name, partition)
    found = [hash_strings(reader.read(each).event_ids)[:, 0] for each in log.stretch(agent.reads.name, partition, start, end)]
    return np.sort(np.concatenate([np.empty(0, np.uint64), *found]))
