"""Which facts of which partitions are computed again? What is asked for, held against what the log has; told before any work begins."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from infra.errors import Fault
from schemas.letters import DEAD_LETTERS
from streams.engine.topology import Agent
from streams.replay.log import Log

Since = Callable[[str, int, int], int]
"""Topic, partition, moment (ms) -> the offset of the first record appended then or later."""


@dataclass(frozen=True)
class Asked:
    """A range of facts: offsets [start, stop), or moments of the broker's clock [since_ms, until_ms). None: no limit."""

    partition: int | None = None
    start: int | None = None
    stop: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True)
class Task:
    """One partition of one agent. All facts before `stop` are folded; what those from `start` on lead to is looked at.

    reach: where a verification stops is where the agent has come to, and `stop` at most; False if it must have come to `stop`.
    """

    agent: str
    partition: int
    start: int
    stop: int
    reach: bool = True

    def __str__(self) -> str:
        """Say it as in a message."""
        return f"{self.agent}, partition {self.partition}"


def tasks(log: Log, agents: Iterable[Agent], asked: Asked, since: Since, *, verify: bool) -> list[Task]:
    """Return what is to be done, agent by agent and partition by partition. Raises Fault for what the log does not have."""
    found = []
    for agent in agents:
        source, count = agent.reads.name, log.partitions(agent.reads.name)
        needed = {event.topic.name for event in agent.writes} | {DEAD_LETTERS.name} if verify else set()
        for name in sorted({source} | needed):
            if not log.partitions(name):
                raise Fault(
                    f"there is no topic {name} here: `affluent topics create` makes it, but there is nothing to replay yet"
                )
        if verify and not log.partitions(agent.state_topic.name):
            raise Fault(
                f"{agent.name} has never run here, as it is today (no topic {agent.state_topic.name}): nothing was published by it"
            )
        if asked.partition is not None and asked.partition >= count:
            raise Fault(f"--partition: {source} has the partitions 0 to {count - 1}, found {asked.partition}")
        numbers = range(count) if asked.partition is None else [asked.partition]
        found += [_task(log, agent, number, asked, since) for number in numbers]
    return found


def _task(log: Log, agent: Agent, number: int, asked: Asked, since: Since) -> Task:
    source = agent.reads.name
    first, end = log.bounds(source, number)
    for name, offset in (("--from", asked.start), ("--to", asked.stop)):
        if offset is not None and not first <= offset <= end:
            raise Fault(f"{name}: {source}[{number}] has the offsets {first} to {end}, found {offset}")
    start = asked.start or 0
    stop = end if asked.stop is None else asked.stop
    if asked.since_ms is not None:
        start = since(source, number, asked.since_ms)
    if asked.until_ms is not None:
        stop = since(source, number, asked.until_ms)
    return Task(agent.name, number, min(start, stop), stop, reach=asked.stop is None)
