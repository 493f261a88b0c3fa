"""What is left of each program's answers when it is killed in the middle and started again?

    python -m tests.benchmarks.peers.killed [NAME ...] [--json]

Each works on the same jobs, is killed (SIGKILL) at half, and starts again in the same group, on an empty disk. All run at once, on the
core of programs: this measures no speed. An answer is right if an undisturbed program would have given it; a job may be answered
twice, but its last answer is what a table keyed by job is left with.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass

import numpy as np
from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.kafka import consumer, end_offsets
from infra.settings import Kafka
from tests.benchmarks.harness import programs
from tests.benchmarks.harness.process import Watched
from tests.benchmarks.harness.programs import Program
from tests.benchmarks.harness.scene import Scene, scene
from tests.benchmarks.peers import NAMES
from tests.benchmarks.work.reference import Reference, reference
from tests.benchmarks.work.verify import compare
from tests.benchmarks.work.wire import PARTITIONS

JOBS = {"ours": 1_000_000, "loop_batch": 400_000, "kafka_streams": 400_000, "loop": 200_000, "quix": 100_000}
"""So many that a program is still at work when it is killed; of the others, SLOW."""
SLOW = 20_000
QUIET_S, MOST_S, LOOK_S = 5.0, 200.0, 0.05
"""A program is through when it has answered as often as there are jobs, and then nothing more for QUIET_S."""


@dataclass(frozen=True)
class Left:
    """What was found. left_wrong: jobs whose last answer is wrong."""

    jobs: int
    before_the_kill: int
    unanswered: int
    answered_again: int
    wrong_answers: int
    left_wrong: int


@dataclass
class Trial:
    """One program on its way. killed_at: answers that were there just before."""

    program: Program
    jobs: int
    topic: str
    out: str
    watch: Consumer
    running: Watched | None = None
    killed_at: int = 0
    answers: int = 0
    heard: float = 0.0

    @property
    def through(self) -> bool:
        """Whether there is nothing more to wait for."""
        return bool(self.killed_at) and self.answers >= self.jobs and time.monotonic() > self.heard + QUIET_S

    def start(self, place: Scene) -> None:
        """Start the program, or start it again."""
        self.running = self.program.start(place, self.topic, self.out, f"killed-{self.program.name}")
        self.heard = time.monotonic()

    def look(self, place: Scene) -> None:
        """See how far it is; kill it at half. Raises RuntimeError if it ended by itself."""
        if self.running is None or self.running.code is not None:
            raise RuntimeError(f"{self.program.name} ended by itself: {self.running and self.running.last_words()}")
        with suppress(KafkaException):  # a busy broker; it is asked again soon
            if (now := sum(end for _, end in end_offsets(self.watch, self.out, PARTITIONS))) != self.answers:
                self.answers, self.heard = now, time.monotonic()
        if not self.killed_at and self.answers >= self.jobs // 2:
            self.running.signal(signal.SIGKILL)
            if self.running.process is not None:
                self.running.process.wait()
            self.killed_at = self.answers
            self.start(place)


def judge(answers: Iterable[tuple[list[bytes], list[bytes]]], right: Reference, killed_at: int) -> Left:
    """Return what is in batches of keys and values, those of a job in their order."""
    n = len(right.delay_s)
    times, last_right, wrong = np.zeros(n, np.int64), np.zeros(n, np.bool_), 0
    for keys, values in answers:
        index, _, good = compare(keys, values, right)
        known = index >= 0
        np.add.at(times, index[known], 1)
        last_right[index[known]] = good[known]  # of several, numpy keeps the last
        wrong += int((~good).sum())
    answered = times > 0
    return Left(
        n, killed_at, int((~answered).sum()), int((times - 1).clip(0).sum()), wrong, int((answered & ~last_right).sum())
    )  # fmt: skip


def written(kafka: Kafka, topic: str) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Yield all that is in a topic. A job's answers lie in one partition, so their order there is theirs."""
    reader = consumer(kafka, group="killed-judge", **{"enable.partition.eof": True})
    try:
        left = {p: end for p, (first, end) in enumerate(end_offsets(reader, topic, PARTITIONS)) if end > first}
        reader.assign([TopicPartition(topic, p, 0) for p in left])
        while left:
            messages = reader.consume(20_000, 0.5)
            for each in messages:
                at, where = each.offset() or 0, each.partition() or 0
                if left.get(where, at + 2) <= at + (not each.error()):
                    del left[where]
            found = [each for each in messages if not each.error()]
            yield [each.key() or b"" for each in found], [each.value() or b"" for each in found]
    finally:
        reader.close()


def run(names: list[str]) -> dict[str, Left]:
    """Kill each once. Raises RuntimeError with the last words of one that ends by itself."""
    found: dict[str, Left] = {}
    with scene() as place:
        trials = []
        for name in names:
            program = programs.ours() if name == "ours" else programs.peer(name)
            if isinstance(program, str):
                print(f"{name} is left out: {program}", file=sys.stderr)
                continue
            jobs, out = JOBS.get(name, SLOW), place.answers(f"killed-{name.replace('_', '-')}")
            trials.append(Trial(program, jobs, place.load(jobs), out, consumer(place.kafka, group="killed-watch")))
        try:
            for trial in trials:
                trial.start(place)
            until = time.monotonic() + MOST_S
            while not all(trial.through for trial in trials) and time.monotonic() < until:
                for trial in trials:
                    trial.look(place)
                time.sleep(LOOK_S)
        finally:
            for trial in trials:
                if trial.running is not None:
                    trial.running.stop()
        for trial in trials:
            found[trial.program.name] = judge(written(place.kafka, trial.out), reference(trial.jobs), trial.killed_at)
    return found


def main() -> None:
    """Kill and print."""
    known = ["ours", *(name for name in NAMES if name != "echo")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help=f"which of {', '.join(known)}; default: all")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if unknown := sorted(set(given.name) - set(known)):
        parser.error(f"cannot kill {', '.join(unknown)}: expected {', '.join(known)}")
    found = {name: asdict(left) for name, left in run(given.name or known).items()}
    if given.json:
        print(json.dumps(found))
        return
    columns = ["jobs", "before_the_kill", "unanswered", "answered_again", "wrong_answers", "left_wrong"]
    print(f"{'program':14}" + "".join(f"{column.replace('_', ' '):>17}" for column in columns))
    for name, left in found.items():
        print(f"{name:14}" + "".join(f"{left[column]:17,}" for column in columns))


if __name__ == "__main__":
    main()
