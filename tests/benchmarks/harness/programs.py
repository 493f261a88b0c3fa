"""Which programs do the work? Ours with either backend, and the peers in `tests/benchmarks/peers`."""

from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import peers
from tests.benchmarks.harness.process import Watched
from tests.benchmarks.harness.scene import Scene
from tests.benchmarks.peers.size import python_lines
from tests.benchmarks.work import agent, events, forest

OURS = {"ours": "forest", "ours_onnxruntime": "onnxruntime"}
"""Our own lines, and the backend that scores in each."""


@dataclass(frozen=True)
class Program:
    """One line of a table. large: it needs the large load to be measured at all. lines: of its own code, where that is known."""

    name: str
    module: str
    more: tuple[str, ...] = ()
    large: bool = True
    lines: int | None = None
    promise: str = "every record, and the state that belongs to it"

    @property
    def is_ours(self) -> bool:
        """Whether it is our worker, with metrics to look at."""
        return self.name in OURS

    def start(
        self, scene: Scene, topic: str, out: str, group: str, cores: list[int] | None = None, log: Path | None = None
    ) -> Watched:
        """Start it, on the first core unless others are given."""
        to = ("--topic", topic, "--out", out, "--group", group, "--model", str(forest.model()))
        brokers = () if self.is_ours else ("--brokers", scene.kafka.brokers)
        words = ("-m", self.module, *brokers, *to, *self.more)
        watched = Watched(words, log or scene.folder / f"{group}.log", scene.environment)
        if cores is not None:
            watched.on = cores
        return watched.start()


def ours(name: str = "ours") -> Program:
    """Return our worker, with the backend of this line."""
    lines = python_lines(agent.__file__, events.__file__)
    return Program(name, "tests.benchmarks.work.worker", ("--backend", OURS[name]), lines=lines)


LARGE_PEERS = {"loop_batch", "echo", "kafka_streams"}
"""Peers above about 30,000 records/s, or that take so many records to warm up."""


def peer(name: str) -> Program | str:
    """Return a peer, or why it cannot run here. Raises ValueError if no peer is called that."""
    found = peers.peer(name)
    if (reason := found.available()) is not None:
        return reason
    return Program(name, f"tests.benchmarks.peers.{name}", (), name in LARGE_PEERS, found.LINES, found.AT_LEAST_ONCE)
