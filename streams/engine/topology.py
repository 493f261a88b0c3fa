"""Which agents are there, what does each read, write and remember?"""

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.tables import State, TableSpec
from schemas.columns import Batch
from schemas.event import Event, Topic
from streams.engine import statelog


@dataclass(frozen=True)
class Output:
    """What a step concluded: events of one class, as columns, each caused by one record of the batch.

    cause: positions in the batch, int64 (n,). fields: the event's own columns; the engine adds id and cause, and `at` (the
    cause's) unless given. step: tells apart several outputs of one class with the same cause.
    """

    event: type[Event]
    cause: NDArray[np.int64]
    fields: Mapping[str, Any]
    step: int = 0


Step = Callable[[Batch, State], Iterable[Output]]


@dataclass(frozen=True)
class Agent:
    """A step and what surrounds it. folds: the modules whose code decides what the rows of its tables mean.

    holds: the classes in the topic it reads; None: what the catalogue says. lateness_ms: how much older than the newest of their
    key facts may be and still count in full; None where the order of the log is all that counts.
    """

    name: str
    step: Step
    reads: Topic
    writes: tuple[type[Event], ...]
    state: tuple[TableSpec, ...] = ()
    folds: tuple[ModuleType, ...] = ()
    recent_ids: int = 100_000
    horizon_ms: int = 7 * 86_400_000
    holds: tuple[type[Event], ...] | None = None
    lateness_ms: int | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the tables' shapes and of the folds' code (not its comments): rows under another hash mean something else."""
        digest = hashlib.sha256(statelog.MAGIC)
        for spec in self.state:
            digest.update(f"{spec.name}{spec.dtype.descr}{spec.idle}".encode())
        for module in self.folds:
            digest.update(_code(module).encode())
        return digest.hexdigest()[:8]

    @cached_property
    def state_topic(self) -> Topic:
        """Where its state log lives: same partitions as the source, never trimmed by time."""
        name = f"{self.reads.domain}.{self.name.replace('_', '-')}-state.{self.fingerprint}.v1"
        return Topic(name, key="", partitions=self.reads.partitions, retention=None)


def _code(module: ModuleType) -> str:
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body[0] = ast.Expr(ast.Constant(None))
    return ast.unparse(tree)


def _until(spec: TableSpec) -> str:
    return "" if spec.idle is None else f", until idle for {spec.idle[1] / 86_400_000:g} days"


@dataclass
class Topology:
    """The agents of one app (a Faust app id), in the order they were declared."""

    name: str
    agents: dict[str, Agent] = field(default_factory=dict)

    def agent(
        self, *, reads: Topic, writes: tuple[type[Event], ...], state: tuple[TableSpec, ...] = (), **more: Any
    ) -> Callable[[Step], Step]:
        """Declare the decorated step as an agent. Raises ValueError if its name or topic is taken: an agent reads exactly one topic."""

        def declare(step: Step) -> Step:
            agent = Agent(step.__name__, step, reads, writes, state, **more)
            if agent.name in self.agents or any(other.reads == reads for other in self.agents.values()):
                raise ValueError(f"{agent.name}: its name or the topic {reads.name} belongs to another agent of {self.name}")
            self.agents[agent.name] = agent
            return step

        return declare

    def map(self) -> str:
        """Return the graph as text: of each agent what it reads, writes, allows and remembers."""
        lines = []
        for agent in self.agents.values():
            lines.append(f"{agent.reads.name} (by {agent.reads.key}) -> {self.name}.{agent.name}")
            lines += [f"  -> {event.topic.name}: {event.__name__}" for event in agent.writes]
            late = "none needed, the log's order counts" if agent.lateness_ms is None else f"{agent.lateness_ms / 1000:g} s"
            lines.append(f"  allows lateness: {late}")
            lines.append(
                f"  ignores an id told again within {agent.horizon_ms / 86_400_000:g} days and {agent.recent_ids:,} events"
            )
            lines += [f"  remembers {spec.name}: {spec.dtype.itemsize} bytes a row{_until(spec)}" for spec in agent.state]
        return "\n".join(lines)
