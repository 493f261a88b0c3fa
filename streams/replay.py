"""Does the log still give what was published? The same processors, without Faust, over the same records.

Every output that an agent makes again is compared, byte for byte, with the one it published under the same id.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from confluent_kafka import Consumer

from models.tables import State
from schemas.columns import Reader, Records
from schemas.event import Event, Topic
from schemas.letters import DeadLetter
from streams.engine.processor import Processor, Sent
from streams.engine.reading import bounds, messages, records
from streams.engine.recent import Recent
from streams.engine.recovery import read_all
from streams.engine.statelog import Recovery
from streams.engine.topology import Agent


@dataclass
class Difference:
    """One output that came out otherwise. field is None where one side has no such event at all."""

    event: str
    event_id: str
    field: str | None
    published: Any
    recomputed: Any


@dataclass
class Verdict:
    """What a verification found. latency_ms: from the fact's append (at appended_ms) to its output's, by the broker's clock."""

    agent: str
    records: int = 0
    compared: int = 0
    mismatches: int = 0
    first: Difference | None = None
    latency_ms: list[float] = field(default_factory=list)
    appended_ms: list[int] = field(default_factory=list)
    outputs: dict[str, int] = field(default_factory=dict)

    def differ(self, difference: Difference) -> None:
        """Count a mismatch and keep the first."""
        self.mismatches += 1
        self.first = self.first or difference


@dataclass(frozen=True)
class Found:
    """One published record: its value, its cause, and when it was appended (ms)."""

    value: bytes
    cause: str
    appended_at: int


Published = dict[str, Found]
"""By event id."""


class Replay:
    """Recomputes one agent. consumer: makes an unsubscribed consumer; progress: told how many records are done."""

    def __init__(
        self,
        agent: Agent,
        *,
        consumer: Callable[[], Consumer],
        schemas: Callable[[int], Mapping[str, Any] | None],
        schema_ids: Mapping[type[Event], int],
        bundles: Callable[[str], Any],
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.agent, self._consumer, self._schemas = agent, consumer(), schemas
        self._schema_ids, self._bundles, self._progress = schema_ids, bundles, progress

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def reached(self, partition: int) -> int:
        """Return the source offset up to which the agent's outputs are known to be delivered: where its state log ends."""
        log = Recovery(State(self.agent.state), Recent(self.agent.recent_ids, self.agent.horizon_ms), where=self.agent.name)
        read_all(self._consumer, self.agent.state_topic.name, partition, log.feed)
        return max(log.finish(), 0)

    def effects(self, partition: int, stop: int) -> Iterator[tuple[list[Sent], Mapping[str, int]]]:
        """Fold the partition from its first record to before `stop`; yield what each batch would send, with the causes' append times."""
        processor = Processor(
            self.agent,
            partition,
            reader=Reader(self.agent.reads, self._schemas),
            schema_ids=self._schema_ids,
            bundles=self._bundles,
        )
        reader = Reader(self.agent.reads, self._schemas)
        for found in messages(self._consumer, self.agent.reads.name, partition, 0, stop):
            batch = records(self.agent.reads.name, partition, found)
            appended = dict(zip(reader.read(batch).event_ids.tolist(), np.asarray(batch.appended_at).tolist(), strict=True))
            while len(batch):
                effects = processor.process(batch)
                yield effects.sent, appended
                self._progress(effects.done)
                batch = batch.slice(effects.done, len(batch))

    def published(self, topic: Topic, partition: int, verdict: Verdict) -> Published:
        """Return what lies in an output topic's partition. The same event twice must be the same bytes."""
        reader, out = Reader(topic, self._schemas), Published()
        for found in messages(self._consumer, topic.name, partition, *bounds(self._consumer, topic.name, partition)):
            batch = reader.read(records(topic.name, partition, found))
            for event in batch.holds:
                causes = [found[i] for i in batch.order(event).tolist()]
                ids = batch[event]["event_id"].tolist()
                for event_id, cause, message in zip(ids, batch[event]["cause"].tolist(), causes, strict=True):
                    one = Found(message.value() or b"", cause, message.timestamp()[1])
                    before = out.setdefault(event_id, one)
                    if before.value != one.value:
                        verdict.differ(Difference(topic.name, event_id, "published twice, differently", before.value, one.value))
        return out

    def verify(self, partitions: int) -> Verdict:
        """Recompute every partition and compare it with what was published."""
        verdict = Verdict(self.agent.name)
        for partition in range(partitions):
            stop = self.reached(partition)
            verdict.records += stop
            known = {event.topic.name: self.published(event.topic, partition, verdict) for event in self.agent.writes}
            for sent, appended in self.effects(partition, stop):
                for one in sent:
                    if one.event is not DeadLetter:
                        self._compare(one, known[one.topic.name], appended, verdict)
            for name, rest in known.items():
                self._unexplained(name, rest, partition, stop, verdict)
        return verdict

    def _compare(self, sent: Sent, known: Published, appended: Mapping[str, int], verdict: Verdict) -> None:
        name, keys, values = sent.event.__name__, sent.keys.raws(), sent.values.raws()
        for event_id, cause, key, value in zip(sent.ids.tolist(), sent.causes.tolist(), keys, values, strict=True):
            verdict.compared += 1
            verdict.outputs[name] = verdict.outputs.get(name, 0) + 1
            before = known.pop(event_id, None)
            if before is None:
                verdict.differ(Difference(name, event_id, None, None, "recomputed, but never published"))
            elif before.value != value:
                verdict.differ(self._difference(sent.event, event_id, key, before.value, value or b""))
            else:
                since = appended.get(cause, before.appended_at)
                verdict.appended_ms.append(since)
                verdict.latency_ms.append(before.appended_at - since)

    def _difference(
        self, event: type[Event], event_id: str, key: bytes | None, published: bytes, recomputed: bytes
    ) -> Difference:
        pair = Records.of(event.topic.name, 0, [(0, 0, key, published), (1, 0, key, recomputed)])
        rows = [row.model_dump() for row in Reader(event.topic, self._schemas).read(pair).rows()]
        for name in event.model_fields:
            if len(rows) == 2 and rows[0][name] != rows[1][name]:
                return Difference(event.__name__, event_id, *_first(name, rows[0][name], rows[1][name]))
        return Difference(event.__name__, event_id, "bytes", published.hex(), recomputed.hex())

    def _unexplained(self, topic: str, rest: Published, partition: int, stop: int, verdict: Verdict) -> None:
        """What was published and not made again is a fault, unless its cause lies beyond where we stopped."""
        if not rest:
            return
        _, end = bounds(self._consumer, self.agent.reads.name, partition)
        beyond: set[str] = set()
        for found in messages(self._consumer, self.agent.reads.name, partition, stop, end):
            beyond.update(
                Reader(self.agent.reads, self._schemas).read(records(self.agent.reads.name, partition, found)).event_ids.tolist()
            )
        for event_id, one in rest.items():
            if one.cause not in beyond:
                verdict.differ(Difference(topic, event_id, None, "published, but not recomputed", None))


def _first(name: str, published: Any, recomputed: Any) -> tuple[str, Any, Any]:
    """Name the first differing element of a list, else the field itself."""
    if isinstance(published, list) and isinstance(recomputed, list):
        for i, (a, b) in enumerate(zip(published, recomputed, strict=False)):
            if a != b:
                return f"{name}[{i}]", a, b
    return name, published, recomputed
