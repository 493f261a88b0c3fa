"""What should have come out? The whole input folded by one thread, partition by partition, without a worker, a group or a kill."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from infra.registry import Registry
from schemas.columns import Reader, Records
from schemas.dispatch import DelayPredicted
from schemas.letters import DeadLetter
from streams.engine.processor import Processor
from streams.engine.statelog import Recovery
from tests.ledger import logs
from tests.ledger.scene import HOLDS, PARTITIONS, Scene

Memory = dict[str, Any]
"""All that one partition knows, in a form that can be compared."""


@dataclass
class Expected:
    """outputs: of each partition in order, id and bytes. letters: ids and bytes. memory: by partition. ends: after the last record."""

    outputs: list[list[tuple[str, bytes]]] = field(default_factory=list)
    letters: dict[str, bytes] = field(default_factory=dict)
    memory: list[Memory] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    records: int = 0
    duplicates: int = 0


def processor(scene: Scene, partition: int, registry: Registry) -> Processor:
    """Return the scene's agent over a partition, knowing nothing yet."""
    reader = Reader(scene.facts, registry, holds=HOLDS)
    return Processor(scene.agent, partition, reader=reader, schema_ids=_ids(registry))


def _ids(registry: Registry) -> dict[Any, int]:
    subjects = {f"{event.topic.name}-{event.__name__}": (event.topic, event) for event in (DelayPredicted, DeadLetter)}
    ids = registry.register_all(subjects)
    return {event: ids[name] for name, (_, event) in subjects.items()}


def first_text(value: bytes) -> str:
    """Return the id of an event on the wire: the first field after the five bytes of the frame."""
    length, shift, at = 0, 0, 5
    while True:
        length |= (value[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if value[at - 1] < 0x80:
            break
    return value[at : at + (length >> 1)].decode()


def expect(scene: Scene) -> Expected:
    """Return what the scene's input leads to."""
    found = Expected()
    with Registry(scene.registry_url) as registry:
        for partition, records in enumerate(logs.read(scene.brokers, scene.facts.name, PARTITIONS)):
            fold(processor(scene, partition, registry), scene, records, found)
    return found


def fold(one: Processor, scene: Scene, records: Sequence[logs.Record], into: Expected) -> None:
    """Fold one partition's records in one go."""
    outputs: list[tuple[str, bytes]] = []
    if records:
        told = [(each.offset, each.appended_at, each.key, each.value) for each in records]
        effects = one.process(Records.of(scene.facts.name, one.partition, told))
        into.duplicates += effects.duplicates
        for sent in effects.sent:
            values = [value or b"" for value in sent.values.raws()]
            if sent.event is DeadLetter:
                into.letters |= {first_text(value): value for value in values}
            else:
                outputs += [(first_text(value), value) for value in values]
    into.records += len(records)
    into.ends.append(records[-1].offset + 1 if records else 0)
    into.outputs.append(outputs)
    into.memory.append(memory(one))


def memory(of: Processor) -> Memory:
    """Return what a processor knows."""
    found: Memory = {"models": dict(of.state.models), "numbers": dict(of.state.numbers), "ids": of.recent.head}
    _, ids, at = of.recent.span(0, of.recent.head)
    found["recent"] = (ids.tobytes(), at.tobytes())
    for name, table in of.state.tables.items():
        image = table.image()
        found[name] = {key.tobytes(): row.tobytes() for key, row in zip(image.keys, np.atleast_1d(image.rows), strict=True)}
    return found


def remembered(scene: Scene) -> tuple[list[Memory], list[int]]:
    """Return what the state log says each partition knows, and up to which offset of the facts. Raises BrokenLog."""
    found, reached = [], []
    with Registry(scene.registry_url) as registry:
        for partition, records in enumerate(logs.read(scene.brokers, scene.agent.state_topic.name, PARTITIONS)):
            one = processor(scene, partition, registry)
            recovery = Recovery(one.state, one.recent, where=f"{scene.agent.state_topic.name}[{partition}]")
            for record in records:
                recovery.feed(record.value or b"", record.offset)
            reached.append(recovery.finish())
            found.append(memory(one))
    return found, reached


def reckoned(
    order: Sequence[int], carried_by: Callable[[int], str], depot: Callable[[int], str], distance: Callable[[int], float]
) -> dict[str, tuple[float, float]]:
    """Return count and kilometres of each job's courier as of that job, reckoned without any code of ours."""
    seen: dict[tuple[str, str], tuple[float, float]] = {}
    found = {}
    for i in order:
        who = (depot(i), carried_by(i))
        jobs, km = seen.get(who, (0.0, 0.0))
        found[str(i)] = seen[who] = (jobs + 1, km + distance(i))
    return found
