"""Where do programs run? Against servers of their own in a temporary folder, with the load written once for all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from affluent import wiring
from infra import kafka
from infra.settings import Kafka, Settings
from infra.stack import StackState, running_stack
from tests.benchmarks.harness import cores
from tests.benchmarks.work import records


@dataclass
class Scene:
    """Servers and settings. folder: for logs, gone at the end. loads: topics that are written, by number of jobs."""

    stack: StackState
    settings: Settings
    folder: Path
    loads: dict[int, str] = field(default_factory=dict)

    @property
    def kafka(self) -> Kafka:
        """How to reach the broker."""
        return self.settings.kafka

    @property
    def environment(self) -> dict[str, str]:
        """What makes a command of ours speak to these servers."""
        return {"AFFLUENT_STACK_DIR": str(self.stack.directory), "AFFLUENT_LOG__LEVEL": "info"}

    def load(self, jobs: int) -> str:
        """Return a topic that holds the first so many jobs, written at the first call."""
        if jobs not in self.loads:
            name = f"bench.jobs-{jobs}.v1"
            records.write(self.kafka, name, jobs)
            self.loads[jobs] = name
        return self.loads[jobs]

    def answers(self, name: str) -> str:
        """Return a new topic for answers."""
        topic = f"bench.answers-{name}.v1"
        kafka.ensure_topics(self.kafka, [records.topic(topic)])
        return topic

    def forget(self, topic: str) -> None:
        """Delete a topic: what was verified need not fill the machine's memory any longer."""
        admin = kafka.admin(self.kafka)
        for future in admin.delete_topics([topic]).values():
            future.result()


@contextmanager
def scene() -> Iterator[Scene]:
    """Start servers on the cores that are not the program's, for as long as it takes."""
    cores.hold(cores.other_cores())
    with TemporaryDirectory(prefix="affluent-bench-") as made:
        before = os.environ.get("AFFLUENT_STACK_DIR")
        os.environ["AFFLUENT_STACK_DIR"] = str(Path(made) / "stack")
        try:
            with running_stack(directory=Path(made) / "stack") as stack:
                yield Scene(stack, wiring.settings(), Path(made))
        finally:
            if before is None:
                del os.environ["AFFLUENT_STACK_DIR"]
            else:
                os.environ["AFFLUENT_STACK_DIR"] = before
