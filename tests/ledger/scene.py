"""What is put to the test? The toy agent over topics of its own, so that many scenarios share one broker."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from infra.settings import Kafka, SchemaRegistry, Settings, Store
from schemas.control import Control
from schemas.dispatch import AssignmentAccepted, DelayPredicted
from schemas.event import Event, Topic
from schemas.letters import DeadLetter
from streams.engine.topology import Agent, Topology
from tests.toy import COURIERS, count_jobs

PARTITIONS = 12
HOLDS: tuple[type[Event], ...] = (AssignmentAccepted, Control)
"""What lies in the facts of a scene."""
POINTS = ("sent", "delivered", "written", "committed")
"""Where an epoch stands when the engine says so: see `Clients.passing`."""
HANG = 0
"""Instead of a signal: the thread that folds waits for ever."""


@dataclass(frozen=True)
class Stop:
    """Where a worker is struck: the n-th time an epoch passes this point it sends itself the signal."""

    point: str
    n: int
    signal: int


@dataclass(frozen=True)
class Scene:
    """One scenario's topics, and how a worker of it is to run.

    name: letters and digits, new for each scenario. group: Kafka's, by default the scene's own. options: the engine's.
    careless: commit first and write afterwards, to see that the ledger notices.
    """

    name: str
    brokers: str
    registry_url: str
    folder: str
    group: str = ""
    stop: Stop | None = None
    options: dict[str, Any] = field(default_factory=dict)
    careless: bool = False

    @cached_property
    def facts(self) -> Topic:
        """What is read."""
        return Topic(f"dispatch.facts-{self.name}.v1", key="depot_id", partitions=PARTITIONS, retention=None, facts=True)

    @cached_property
    def outputs(self) -> Topic:
        """What is written."""
        return Topic(f"dispatch.outputs-{self.name}.v1", key="depot_id", partitions=PARTITIONS, retention=None)

    @cached_property
    def letters(self) -> Topic:
        """Where letters go."""
        return Topic(f"letters-{self.name}.v1", key="origin_topic", partitions=1, retention=None)

    @cached_property
    def agent(self) -> Agent:
        """The toy, reading and remembering in topics of the scene."""
        return Agent(f"count-{self.name}", count_jobs, self.facts, (DelayPredicted,), (COURIERS,))

    @property
    def topology(self) -> Topology:
        """An app with this agent alone."""
        return Topology(self.group or f"group-{self.name}", {self.agent.name: self.agent})

    @property
    def settings(self) -> Settings:
        """How its processes reach the world."""
        return Settings(
            kafka=Kafka(brokers=self.brokers),
            registry=SchemaRegistry(url=self.registry_url),
            store=Store(url=f"{self.folder}/models", key_dir=f"{self.folder}/keys"),
        )

    def but(self, **other: Any) -> "Scene":
        """Return the same scene with something else."""
        return replace(self, **other)

    def claim(self) -> None:
        """Let the classes of this process live in the scene's topics. Only in a process of the scene's own."""
        AssignmentAccepted.topic, DelayPredicted.topic, DeadLetter.topic = self.facts, self.outputs, self.letters
