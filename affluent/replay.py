"""Does the log still give what was published? `affluent replay dispatch --verify`."""

import json as json_
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from affluent import wiring
from affluent.stream import topology_of
from infra.errors import Fault

if TYPE_CHECKING:
    from infra.settings import Settings
    from streams.replay import Verdict


def verdicts(
    domain: str, settings: "Settings", progress: Callable[[str, int], None] = lambda _agent, _n: None
) -> "list[Verdict]":
    """Recompute every agent of a domain from its own input topic and compare. progress: told agent and records done."""
    from affluent.clients import engine_clients
    from infra import kafka
    from streams.replay import Replay

    topology, clients = topology_of(domain), engine_clients(settings)
    counts = kafka.partitions(settings.kafka)
    found = []
    for agent in topology.agents.values():
        if agent.state_topic.name not in counts:
            raise Fault(
                f"{agent.name} has never run here (no topic {agent.state_topic.name}): start `affluent stream {domain}` first"
            )
        replay = Replay(
            agent,
            consumer=partial(kafka.consumer, settings.kafka, group=f"{topology.name}.replay"),
            schemas=clients.schemas,
            schema_ids=clients.schema_ids,
            bundles=clients.bundles,
            progress=partial(progress, agent.name),
        )
        try:
            found.append(replay.verify(counts[agent.reads.name]))
        finally:
            replay.close()
    return found


def replay(domain: str, *, verify: bool = True, json: bool = False) -> int:
    """Recompute what a domain's agents published, from their input topics; returns 1 on any mismatch. Raises Fault."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    if not verify:
        raise Fault("--verify: the one thing a replay does today is to compare; give --verify")
    console = Console(stderr=True)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), console=console, disable=json) as bar:
        tasks: dict[str, Any] = {}

        def advance(agent: str, n: int) -> None:
            if agent not in tasks:
                tasks[agent] = bar.add_task(f"{agent} records", total=None)
            bar.advance(tasks[agent], n)

        found = verdicts(domain, wiring.settings(), advance)
    if json:
        print(json_.dumps(summary(found), default=str))  # noqa: T201 - the answer
    else:
        _show(found)
    return 1 if any(verdict.mismatches for verdict in found) else 0


def summary(found: "list[Verdict]") -> dict[str, Any]:
    """Return the counts of all agents together, and the first difference."""
    first = next((verdict.first for verdict in found if verdict.first), None)
    return {
        "records": sum(v.records for v in found),
        "compared": sum(v.compared for v in found),
        "mismatches": sum(v.mismatches for v in found),
        "first": asdict(first) if first else None,
        "agents": {v.agent: {"records": v.records, "outputs": v.outputs, "mismatches": v.mismatches} for v in found},
    }


def _show(found: "list[Verdict]") -> None:
    from rich.console import Console
    from rich.table import Table

    console, table = (
        Console(),
        Table("agent", "records read", "outputs compared", "mismatches", title="Replay against what was published"),
    )
    for v in found:
        table.add_row(v.agent, f"{v.records:,}", f"{v.compared:,}", f"[{'red' if v.mismatches else 'green'}]{v.mismatches:,}")
    console.print(table)
    first = next((v.first for v in found if v.first), None)
    if first is None:
        console.print("Every output came out again, byte for byte.")
    else:
        what = "the whole event" if first.field is None else first.field
        console.print(
            f"First difference: {first.event} {first.event_id}, {what}: published {first.published!r}, recomputed {first.recomputed!r}"
        )
