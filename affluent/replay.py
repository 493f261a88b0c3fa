"""Does the log still give what was published, or what would it give today? `affluent replay dispatch --verify`, or `--into`."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from affluent import answers, wiring
from affluent.recompute import NULL, Shown, done
from affluent.stream import topology_of
from infra.errors import Fault

if TYPE_CHECKING:
    from infra.settings import Settings
    from streams.engine.topology import Agent
    from streams.replay.plan import Task
    from streams.replay.verdict import Verdict


def replay(
    domain: str,
    *,
    verify: bool = False,
    into: str | None = None,
    agent: str | None = None,
    partition: int | None = None,
    offsets: tuple[int | None, int | None] = (None, None),
    moments: tuple[datetime | None, datetime | None] = (None, None),
    jobs: int | None = None,
    json: bool = False,
) -> int:
    """Compute again what a domain's agents made of their input topics; compare it with what they published, or write it elsewhere.

    Returns 1 on any mismatch. offsets: first and next, of one partition of one agent's topic; moments: the same by the broker's clock.
    into: `null` to count only, else the end of the names of new topics. Raises Fault, Unavailable; BadParameter for a wrong command.
    """
    agents = _agents(domain, agent)
    _require_sense(agents, verify=verify, into=into, partition=partition, offsets=offsets, moments=moments)
    from streams.replay.plan import Asked

    asked = Asked(partition, *offsets, *map(_ms, moments))
    settings, began = wiring.settings(), time.monotonic()
    with _shown("verifying" if verify else "replaying", quiet=json) as shown:
        found, used = done(domain, settings, agents, asked, into=into, jobs=jobs, latencies=False, shown=shown)
    seconds = time.monotonic() - began
    records = sum(v.records for v in found)
    if verify and not records and not any((*offsets, *moments)):
        raise Fault(f"nothing to verify: {', '.join(v.agent for v in found)} published nothing yet")
    speed = {"seconds": round(seconds, 2), "records_per_s": round(records / seconds), "jobs": used}
    if json:
        answers.as_json((summary(found) if verify else _counts(found)) | speed)
    else:
        _tell(found, into, speed)
    return 1 if any(verdict.mismatches for verdict in found) else 0


def verdicts(
    domain: str, settings: "Settings", progress: Callable[[str, int], None] = lambda _agent, _n: None, *, jobs: int | None = None
) -> "list[Verdict]":
    """Recompute every agent of a domain from its own input topic and compare, latencies included. Raises Fault, Unavailable.

    progress: told agent and records done. jobs: processes; by default as many as there are cores and work for.
    """
    from streams.replay.plan import Asked

    def shown(_tasks: "Sequence[Task]") -> Callable[[Any, int], None]:
        return lambda task, n: progress(task.agent, n)

    return done(domain, settings, _agents(domain, None), Asked(), into=None, jobs=jobs, latencies=True, shown=shown)[0]


def _agents(domain: str, name: str | None) -> "list[Agent]":
    from typer import BadParameter

    known = topology_of(domain).agents
    if name is not None and name not in known:
        raise BadParameter(f"expected one of {', '.join(known)}, found {name!r}", param_hint="--agent")
    return list(known.values()) if name is None else [known[name]]


def _require_sense(
    agents: "Sequence[Agent]", *, verify: bool, into: str | None, partition: int | None, offsets: tuple[int | None, int | None],
    moments: tuple[datetime | None, datetime | None],
) -> None:  # fmt: skip
    """Raise BadParameter if the command says nothing, or two things at once."""
    from typer import BadParameter

    if verify == (into is not None):
        raise BadParameter("say one of --verify (compare with what was published) and --into (null, or a name for new topics)")
    if into is not None and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", into):
        raise BadParameter(
            f"expected {NULL}, or a name of small letters, digits and hyphens, found {into!r}", param_hint="--into"
        )
    (start, stop), (since, until) = offsets, moments
    if start is not None or stop is not None:
        if since or until:
            raise BadParameter("--from and --to are offsets, --since and --until moments: say one or the other")
        if partition is None or len(agents) > 1:
            raise BadParameter(
                "--from and --to are offsets of one partition of one agent's topic: say --agent and --partition too"
            )
        if start is not None and stop is not None and start > stop:
            raise BadParameter(f"--from {start} lies behind --to {stop}")
    if since and until and since > until:
        raise BadParameter(f"--since {since} lies behind --until {until}")


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


@contextmanager
def _shown(what: str, *, quiet: bool) -> "Iterator[Shown]":
    """Show a bar with records a second and the time that is left, where somebody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bar:

        def shown(tasks: "Sequence[Task]") -> Callable[[Any, int], None]:
            number = bar.add_task(what, total=sum(task.stop for task in tasks), speed="")

            def told(_task: Any, n: int) -> None:
                bar.update(number, advance=n, speed=f"{bar.tasks[0].speed or 0:,.0f} records/s")

            return told

        yield shown


def summary(found: "list[Verdict]") -> dict[str, Any]:
    """Return the counts of all agents together, and the first difference."""
    first = next((verdict.first for verdict in found if verdict.first), None)
    agents = {
        v.agent: {
            "records": v.records, "compared": v.compared, "outputs": v.outputs, "mismatches": v.mismatches, "kinds": v.kinds,
            "removed": v.removed, "begins": v.begins,
        }
        for v in found
    }  # fmt: skip
    return {
        "records": sum(v.records for v in found),
        "compared": sum(v.compared for v in found),
        "mismatches": sum(v.mismatches for v in found),
        "first": asdict(first) if first else None,
        "agents": agents,
    }


def _counts(found: "list[Verdict]") -> dict[str, Any]:
    agents = {v.agent: {"records": v.records, "outputs": v.outputs} for v in found}
    return {"records": sum(v.records for v in found), "agents": agents}


def _tell(found: "list[Verdict]", into: str | None, speed: dict[str, Any]) -> None:
    at = f"{speed['seconds']:g} s, {speed['records_per_s']:,} records/s, {speed['jobs']} process{'es' if speed['jobs'] > 1 else ''}"
    if into is not None:
        rows = [(v.agent, f"{v.records:,}", name, f"{n:,}") for v in found for name, n in v.outputs.items() or [("nothing", 0)]]
        answers.as_table(("agent", "records read", "output", "made again"), rows, title=f"Replay ({at})")
        answers.said("Counted, and written nowhere." if into == NULL else f"Written into topics that end in .replay-{into}")
        return
    rows = [(v.agent, f"{v.records:,}", f"{v.compared:,}", f"{v.mismatches:,}") for v in found]
    answers.as_table(
        ("agent", "records read", "outputs compared", "mismatches"), rows, title=f"Replay against what was published ({at})"
    )
    for v in found:
        if v.removed:
            begins = ", ".join(f"{offset} of partition {number}" for number, offset in v.begins.items())
            answers.said(
                f"{v.agent}: {v.removed:,} outputs not compared: retention removed what was published before offset {begins}"
            )
    first = next((v.first for v in found if v.first), None)
    if first is None:
        answers.said("Every output came out again, byte for byte.")
        return
    what = "the whole event" if first.field is None else first.field
    answers.said(
        f"First difference: {first.event} {first.event_id}, {what} (partition {first.partition}, offset {first.offset}): "
        f"published {first.published!r}, recomputed {first.recomputed!r}"
    )
