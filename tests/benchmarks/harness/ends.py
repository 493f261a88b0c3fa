"""How far is a topic? The sum of its end offsets, asked again and again beside the program's processor time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, by its documentation

from infra import kafka
from infra.settings import Kafka
from tests.benchmarks.work.wire import PARTITIONS

EVERY_S = 0.1
FROM, TO = 0.2, 0.95
"""The part of a run that is measured: by its outputs."""


class Ends:
    """The end offsets of one topic."""

    def __init__(self, settings: Kafka, topic: str, partitions: int = PARTITIONS) -> None:
        self._admin: AdminClient = kafka.admin(settings)
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        self._asked = {TopicPartition(topic, number): latest for number in range(partitions)}

    def now(self) -> int:
        """Return the sum. Raises KafkaException."""
        for wait_s in (0.05, 0.2, 0.5, 1.0):
            try:
                return self._sum()
            except KafkaException:  # a topic just made may be known to the client by what it was a moment ago
                time.sleep(wait_s)
        return self._sum()

    def _sum(self) -> int:
        return sum(int(future.result().offset) for future in self._admin.list_offsets(self._asked, request_timeout=15).values())


@dataclass(frozen=True)
class Sample:
    """A moment of a run. threads: processor seconds by thread."""

    at_s: float
    outputs: int
    cpu_s: float
    threads: dict[int, float]
    stages: dict[str, float]


@dataclass(frozen=True)
class Slope:
    """What a program did in the measured part."""

    records: int
    seconds: float
    cpu_s: float
    threads: dict[int, float]
    stages: dict[str, float]

    @property
    def records_per_s(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    def us(self, seconds: float) -> float:
        """Return so many seconds as microseconds a record."""
        return 1e6 * seconds / self.records


def slope(samples: Sequence[Sample]) -> Slope:
    """Return the measured part of a run: from its first sample past FROM of the outputs to its last before TO.

    A run too short to have two such samples is taken whole, from the last sample without outputs on. Raises RuntimeError without outputs.
    """
    last = samples[-1].outputs if samples else 0
    inside = [sample for sample in samples if FROM * last <= sample.outputs <= TO * last]
    if len(inside) < 2 or inside[-1].outputs == inside[0].outputs:
        inside = [sample for sample, after in pairwise(samples) if after.outputs] + [samples[-1]] if last else []
    if len(inside) < 2:
        raise RuntimeError("there was nothing to measure: the program had answered all before the first look, or nothing")
    a, b = inside[0], inside[-1]
    threads = {number: used - a.threads.get(number, 0.0) for number, used in b.threads.items()}
    stages = {name: used - a.stages.get(name, 0.0) for name, used in b.stages.items()}
    return Slope(b.outputs - a.outputs, b.at_s - a.at_s, b.cpu_s - a.cpu_s, threads, stages)


def follow(
    look: Callable[[], tuple[int, float, dict[int, float], dict[str, float]]],
    *,
    until: int,
    alive: Callable[[], bool],
    start_s: float,
    most_s: float,
) -> list[Sample]:
    """Sample until so many outputs are there, the program has ended, or time is over.

    start_s: how long the first output may take; most_s: how long a run may take from there on.
    """
    samples: list[Sample] = []
    began = time.monotonic()
    first = 0.0
    while alive():
        now = time.monotonic()
        outputs, *more = look()
        samples.append(Sample(now, outputs, *more))  # type: ignore[arg-type]
        if outputs and not first:
            first = now
        if outputs >= until or (now - began > start_s if not first else now - first > most_s):
            break
        time.sleep(max(0.0, now + EVERY_S - time.monotonic()))
    return samples
