"""How long does an event take from when it was due to when its answer can be read? Measured with arrivals that wait for nobody."""

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from confluent_kafka import TopicPartition
from numpy.typing import NDArray

from infra import kafka
from tests.benchmarks.harness import cores, shown
from tests.benchmarks.harness.process import Watched
from tests.benchmarks.harness.programs import Program
from tests.benchmarks.harness.scene import Scene
from tests.benchmarks.work import records
from tests.benchmarks.work.wire import PARTITIONS

FIRST, PATIENCE_S = 100, 10.0
"""So many jobs go before, to see that the program is up; after the last one so long is waited for answers."""
BEHIND_MS = 25.0
"""A sender that was later than this at any moment shared the machine with somebody: its figures say little about the program."""
MARK, DIGITS = b"as-", 8


@dataclass(frozen=True)
class Load:
    """What is sent. warm_s is sent at the same rate and left out."""

    rate: int
    warm_s: float = 3.0
    seconds: float = 8.0

    @property
    def jobs(self) -> int:
        """How many in all."""
        return int(self.rate * (self.warm_s + self.seconds))

    @property
    def measured_from(self) -> int:
        """The first that counts."""
        return int(self.rate * self.warm_s)


@dataclass(frozen=True)
class Waits:
    """What was seen. late_ms: of each measured job that was answered; lost: measured jobs without an answer."""

    load: Load
    late_ms: NDArray[np.float64]
    lost: int
    behind_ms: float
    cpu_share: float
    load_average: float

    def as_dict(self) -> dict[str, Any]:
        """Return it for a result."""
        p50, p95, p99 = np.percentile(self.late_ms, [50, 95, 99]) if len(self.late_ms) else (np.nan,) * 3
        most = float(self.late_ms.max(initial=0.0))
        figures = {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": most}
        return {
            "rate": self.load.rate,
            **{name: round(float(ms), 2) for name, ms in figures.items()},
            "lost": self.lost,
            "sender_behind_ms": self.behind_ms,
            "sound": self.behind_ms <= BEHIND_MS,
            "core_share": round(self.cpu_share, 3),
            "load_average": self.load_average,
        }


def waits(scene: Scene, program: Program, load: Load, number: int) -> Waits:
    """Run a program under an open-loop load. Raises RuntimeError if it does not come up."""
    run = f"{program.name.replace('_', '-')}-{load.rate}-{number}"
    topic, out = f"bench.jobs-{run}.v1", scene.answers(run)
    records.write(scene.kafka, topic, FIRST)
    watched = program.start(scene, topic, out, f"bench-{run}")
    reader = Reader(scene, out)
    try:
        if program.is_ours:
            shown.port(watched)
        reader.read(FIRST, until=time.monotonic() + 60, alive=lambda: watched.code is None)
        if reader.count < FIRST:
            raise RuntimeError(f"{program.name} did not answer: {watched.last_words()}")
        return _loaded(scene, watched, reader, topic, load)
    finally:
        watched.stop()
        reader.close()
        for each in (topic, out):
            scene.forget(each)


def _loaded(scene: Scene, watched: Watched, reader: "Reader", topic: str, load: Load) -> Waits:
    begin = time.monotonic() + 3.0 + load.jobs / 100_000
    words = ("-m", "tests.benchmarks.harness.send", "--topic", topic, "--first", str(FIRST), "--jobs", str(load.jobs))
    log = scene.folder / f"send-{topic}.log"
    send = Watched((*words, "--rate", str(load.rate), "--at", repr(begin)), log, scene.environment, cores.other_cores()).start()
    try:
        reader.arrived = np.full(FIRST + load.jobs, np.nan)
        time.sleep(max(0.0, begin - 0.1 - time.monotonic()))
        cpu, since = watched.cpu_s(), time.monotonic()
        reader.read(load.jobs, until=begin + load.jobs / load.rate + PATIENCE_S, alive=lambda: watched.code is None)
        share = (watched.cpu_s() - cpu) / (time.monotonic() - since)
        said = send.wait_for("sent=", 30)
    finally:
        send.stop()
    due = begin + np.arange(load.jobs) / load.rate
    late = (1000 * (reader.arrived[FIRST:] - due))[load.measured_from :]
    answered = ~np.isnan(late)
    behind = float(said.split("behind_ms=")[1].split()[0])
    return Waits(load, late[answered], int((~answered).sum()), behind, share, round(os.getloadavg()[0], 2))


class Reader:
    """A separate consumer of the answers: notes when each job's first answer could be read."""

    def __init__(self, scene: Scene, topic: str) -> None:
        self._consumer = kafka.consumer(scene.kafka, group="bench-reader", **{"fetch.wait.max.ms": 10})
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        self.arrived = np.full(FIRST, np.nan)
        self.count = 0

    def read(self, more: int, *, until: float, alive: Any) -> None:
        """Read until so many more jobs were answered, time is over, or the program has ended."""
        goal = self.count + more
        while self.count < goal and time.monotonic() < until and alive():
            # A first record is waited for; what lies there with it is taken along at once.
            first = self._consumer.poll(0.1)
            if first is None:
                continue
            messages = [first, *self._consumer.consume(5_000, 0)]
            now = time.monotonic()
            for message in messages:
                if message.error() is None:
                    self._note(message.value() or b"", now)

    def _note(self, value: bytes, now: float) -> None:
        at = value.find(MARK) + len(MARK)
        number = int(value[at : at + DIGITS])
        if np.isnan(self.arrived[number]):
            self.arrived[number] = now
            self.count += 1

    def close(self) -> None:
        """Leave."""
        self._consumer.close()
