"""What does an agent make of a partition, from its first record on? The stream's own processor, without Faust, batch by batch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.errors import Fault
from models.tables import State
from schemas.columns import Reader, Records, hash_strings
from schemas.event import Event
from streams.engine.processor import Effects, Processor, Sent
from streams.engine.recent import Recent
from streams.engine.statelog import Recovery
from streams.engine.topology import Agent
from streams.replay.log import Log
from streams.replay.matching import Outputs
from streams.replay.verdict import Schemas

CUT = 4000


@dataclass(frozen=True)
class Means:
    """What folding needs besides the log. schemas: by id; bundles: by hash."""

    schemas: Schemas
    schema_ids: Mapping[type[Event], int]
    bundles: Callable[[str], Any]


def outputs(sent: Sent) -> Outputs:
    """Return what a batch led to, to be compared."""
    return Outputs(hash_strings(sent.ids), hash_strings(sent.causes), sent.offsets, sent.appended_at, sent.keys, sent.values)


def fold(log: Log, agent: Agent, partition: int, stop: int, means: Means, *, cut: int = CUT) -> Iterator[tuple[Records, Effects]]:
    """Fold a partition from its first record to before offset `stop`; yield batches of at most `cut` records, and their effects.

    Raises Fault, Unavailable.
    """
    source = agent.reads.name
    first, _ = log.bounds(source, partition)
    if first > 0 and stop > 0:
        raise Fault(
            f"{source}[{partition}] begins at offset {first}, not 0: retention removed what the state of {agent.name} is made of, so "
            "nothing of this partition can be computed again (no snapshots are archived yet); leave it out with --partition"
        )
    reader = Reader(agent.reads, means.schemas, holds=agent.holds)
    processor = Processor(agent, partition, reader=reader, schema_ids=means.schema_ids, bundles=means.bundles)
    for found in log.stretch(source, partition, 0, stop):
        records = found
        while len(records):
            batch = records.slice(0, min(cut, len(records)))
            effects = processor.process(batch)
            _forget_changes(processor.state)
            yield batch if effects.done == len(batch) else batch.slice(0, effects.done), effects
            records = records.slice(effects.done, len(records))


def _forget_changes(state: State) -> None:
    """There is no state log here: what a batch changed would pile up."""
    for table in state.tables.values():
        table.forget_changes()


def reached(log: Log, agent: Agent, partition: int) -> int:
    """Return the source offset up to which the agent's outputs are known to be delivered: where its state log ends."""
    topic = agent.state_topic.name
    recovery = Recovery(State(agent.state), Recent(agent.recent_ids, agent.horizon_ms), where=f"{topic}[{partition}]")
    for records in log.stretch(topic, partition, *log.bounds(topic, partition)):
        for raw, offset in zip(records.values.raws(), records.offsets.tolist(), strict=True):
            recovery.feed(raw or b"", offset)
    return max(recovery.finish(), 0)
