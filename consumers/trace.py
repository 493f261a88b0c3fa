"""What happened to one assignment? Its events in the order of cause and effect, read from the history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select

from consumers.tables import HISTORY, LOOKUPS, PLACE
from infra import postgres
from schemas.dispatch import AssignmentAccepted, DelayPredicted
from schemas.event import Event


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a life. fields: what it says beside id, time and cause. cause: None for a fact."""

    event: type[Event]
    event_id: str
    at: datetime
    cause: str | None
    fields: dict[str, Any]
    partition: int
    offset: int
    appended_at: datetime


@dataclass(frozen=True, slots=True)
class Life:
    """An assignment's events, causes before effects, else by event time."""

    assignment_id: str
    steps: tuple[Step, ...]


def life(dsn: str, id_: str) -> Life | None:
    """Return the life of an assignment, found by its id or by that of any event in it; None if nobody knows the id.

    Raises Unavailable, Fault.
    """
    with postgres.speaking(dsn), postgres.engine(dsn).connect() as connection:
        found = _of_assignment(connection, id_)
        if not found and (assignment := _assignment_of(connection, id_)) is not None:
            id_, found = assignment, _of_assignment(connection, assignment)
        if not found:
            return None
        ids = [step.event_id for step in found]
        found += [step for event in HISTORY if not _lookup(event) for step in _with(connection, event, "cause", ids)]
    return Life(id_, tuple(_in_order(found)))


def _lookup(event: type[Event]) -> bool:
    return any(name in HISTORY[event].c for name in LOOKUPS)


def _of_assignment(connection: Connection, id_: str) -> list[Step]:
    return [step for event in HISTORY if _lookup(event) for step in _with(connection, event, "assignment_id", [id_])]


def _assignment_of(connection: Connection, event_id: str) -> str | None:
    """Return the assignment an event belongs to: its own, or that of what caused it."""
    wanted: str | None = event_id
    seen: set[str] = set()
    while wanted is not None and wanted not in seen:
        seen.add(wanted)
        step = next((step for event in HISTORY for step in _with(connection, event, "event_id", [wanted])), None)
        if step is None:
            return None
        if "assignment_id" in step.fields:
            return str(step.fields["assignment_id"])
        wanted = step.cause
    return None


def _with(connection: Connection, event: type[Event], name: str, values: Sequence[str]) -> list[Step]:
    table: Table = HISTORY[event]
    if name not in table.c or not values:
        return []
    rows = connection.execute(select(table).where(table.c[name].in_(values))).mappings()
    return [_step(event, dict(row)) for row in rows]


def _step(event: type[Event], row: dict[str, Any]) -> Step:
    partition, offset, appended_at = (row.pop(name) for name in PLACE)
    return Step(event, row.pop("event_id"), row.pop("at"), row.pop("cause", None), row, partition, offset, appended_at)


def _in_order(steps: Sequence[Step]) -> list[Step]:
    by_id = {step.event_id: step for step in steps}

    def depth(step: Step, most: int = len(by_id)) -> int:
        cause = by_id.get(step.cause or "")
        return 0 if cause is None or most == 0 else 1 + depth(cause, most - 1)

    return sorted(steps, key=lambda step: (step.at, depth(step), step.appended_at))


def unanswered(dsn: str) -> int:
    """Return how many accepted assignments have no prediction in the history: 0 once everything has come to rest."""
    accepted, predicted = HISTORY[AssignmentAccepted], HISTORY[DelayPredicted]
    # A prediction has the time of its cause, which lets the days be joined one by one.
    answered = select(predicted.c.event_id).where(predicted.c.cause == accepted.c.event_id, predicted.c.at == accepted.c.at)
    with postgres.speaking(dsn), postgres.engine(dsn).connect() as connection:
        return int(connection.execute(select(func.count()).select_from(accepted).where(~answered.exists())).scalar_one())
