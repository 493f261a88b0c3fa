"""How far has everything come? Ends of topics and positions of groups, asked from outside."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from confluent_kafka import Consumer, TopicPartition

from affluent.children import Child
from infra import kafka
from infra.errors import Fault
from infra.settings import Settings
from schemas import catalogue
from schemas.dispatch import DELAY_PREDICTED, PREDICTION_SCORED
from streams.engine.topology import Topology

PATIENCE_S = 90.0


@dataclass(frozen=True)
class Progress:
    """Records in the topics and what has been done with them."""

    predicted: int
    scored: int
    stream_behind: int
    sink_behind: int

    @property
    def at_rest(self) -> bool:
        """True once agents and sink have finished all there is."""
        return self.stream_behind == 0 and self.sink_behind == 0


class Watch:
    """Asks Kafka about a domain's agents and its sink."""

    def __init__(self, settings: Settings, topology: Topology, *, sink: str) -> None:
        """sink: the group of the sink into Postgres."""
        connect = partial(kafka.consumer, settings.kafka)
        self._stream, self._sink = connect(group=topology.name), connect(group=sink)
        self._counts = kafka.partitions(settings.kafka)
        self._read = [agent.reads.name for agent in topology.agents.values()]
        domain = {
            name: topic for name, topic in catalogue.topics().items() if name.startswith(topology.name.removeprefix("streams-"))
        }
        self._kept = sorted({*domain, *self._read})

    def close(self) -> None:
        """Close the connections."""
        self._stream.close()
        self._sink.close()

    def progress(self) -> Progress:
        """Return where everything stands now."""
        ends = {name: self._ends(name) for name in self._kept}
        return Progress(
            sum(ends[DELAY_PREDICTED.name]),
            sum(ends[PREDICTION_SCORED.name]),
            _behind(self._stream, {name: ends[name] for name in self._read}),
            _behind(self._sink, ends),
        )

    def _ends(self, topic: str) -> list[int]:
        return [end for _, end in kafka.end_offsets(self._stream, topic, self._counts[topic])]

    def wait_for_workers(self, children: Iterable[Child]) -> None:
        """Return when every worker has taken up its work. Raises Fault if one ends or none comes within PATIENCE_S."""
        children = list(children)
        deadline = time.monotonic() + PATIENCE_S
        while self.progress().stream_behind:
            for child in children:
                child.require_alive()
            if time.monotonic() > deadline:
                raise Fault(f"the workers did not finish what lay in the log within {PATIENCE_S:g} s; see {children[0].log}")
            time.sleep(0.2)


def _behind(group: Consumer, ends: Mapping[str, Sequence[int]]) -> int:
    """How many records a group has not committed; a partition without a position is behind by all it has."""
    places = [TopicPartition(topic, number) for topic, found in ends.items() for number in range(len(found))]
    return sum(
        ends[place.topic][place.partition] - max(place.offset, 0) for place in kafka.committed(group, places, brokers="the stack")
    )
