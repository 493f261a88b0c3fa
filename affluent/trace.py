"""What happened to one assignment? `affluent trace ID`: from the first event to the error of its prediction."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from affluent import answers, wiring
from infra.errors import Fault

if TYPE_CHECKING:
    from rich.console import RenderableType

    from consumers.trace import Life, Step

UNKNOWN = -1e8
"""Features at or below it stand for: not known."""


def trace(id: str, *, json: bool = False) -> None:  # noqa: A002  # what people call it
    """Print an assignment's life. Raises Fault if nobody knows the id."""
    from consumers.trace import life

    found = life(wiring.settings().postgres.dsn, id)
    if found is None:
        raise Fault(f"no assignment or event {id!r} in the history: look for a typing error, or for a sink that is behind")
    if json:
        answers.as_json(as_dict(found))
    else:
        from rich.console import Console

        console = Console()
        for part in shown(found):
            console.print(part)


def as_dict(life: "Life") -> dict[str, Any]:
    """Return the life for programs: every field of every event, and where it lies in the log."""
    return {"assignment_id": life.assignment_id, "events": [_event(step) for step in life.steps]}


def _event(step: "Step") -> dict[str, Any]:
    place = {"partition": step.partition, "offset": step.offset, "appended_at": _iso(step.appended_at)}
    fields = {name: _iso(value) if isinstance(value, datetime) else value for name, value in step.fields.items()}
    named = {"event": step.event.__name__, "event_id": step.event_id, "at": _iso(step.at), "cause": step.cause}
    return named | fields | {"log": place}


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def shown(life: "Life") -> "Iterable[RenderableType]":
    """Yield what people see: whose life it is, its events in order, and what the model saw."""
    from rich.padding import Padding
    from rich.panel import Panel
    from rich.text import Text

    about = {name: step.fields[name] for step in life.steps for name in _ABOUT if name in step.fields}
    head = "   ".join(f"{name.removesuffix('_id')} {about[name]}" for name in _ABOUT if name in about)
    yield Panel(Text(head), title=Text(f"assignment {life.assignment_id}", "bold"), title_align="left", expand=False)
    numbers = {step.event_id: number for number, step in enumerate(life.steps, start=1)}
    appended = {step.event_id: step.appended_at for step in life.steps}
    for step in life.steps:
        line = Text.assemble(
            (f" {numbers[step.event_id]} ", "reverse"),
            f" {step.at:%Y-%m-%d %H:%M:%S} ",
            (f"{_span(step.at - life.steps[0].at):>9} ", "dim"),
            (step.event.__name__, "bold cyan"),
        )
        if step.cause in numbers:
            took_ms = (step.appended_at - appended[step.cause]).total_seconds() * 1000
            line.append(f"  because of {numbers[step.cause]}, {took_ms:,.0f} ms after it was heard", "dim")
        yield line
        yield Padding(Text(_said(step)), (0, 0, 0, 4))
    for step in life.steps:
        if step.event.__name__ == "DelayPredicted" and step.fields["features"]:
            yield _features(step)


_ABOUT = ("company_id", "depot_id", "route_id", "courier_id", "source")


def _span(span: timedelta) -> str:
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"+{hours}:{minutes:02}:{seconds:02}"


def late(seconds: float | None) -> str:
    """Return a delay as people say it.

    >>> late(754), late(-90), late(None)
    ('12.6 min late', '1.5 min early', 'no answer')
    """
    if seconds is None:
        return "no answer"
    return f"{abs(seconds) / 60:.1f} min {'late' if seconds >= 0 else 'early'}"


def _signed(seconds: float) -> str:
    return f"{seconds / 60:+.1f}"


def _said(step: "Step") -> str:
    say = _SAY.get(step.event.__name__)
    if say is not None:
        return say(step.fields)
    return ", ".join(f"{name} {value}" for name, value in step.fields.items())


def _accepted(it: dict[str, Any]) -> str:
    start, way = late(it["lateness_s"]), f"{it['planned_s'] / 60:.0f} min for {it['distance_km']:.0f} km"
    return f"started {start}, planned {way}\npromised at {it['promised_at']:%H:%M:%S}"


def _predicted(it: dict[str, Any]) -> str:
    if it["delay_s"] is None:
        return f"no answer: {it['reason']}"
    interval = f", 80 % between {_signed(it['low_s'])} and {_signed(it['high_s'])} min" if it["low_s"] is not None else ""
    rule = f"; the simple rule says {late(it['baseline_s'])}" if it["baseline_s"] is not None else ""
    why = f": {it['reason']}" if it["reason"] else ""
    return f"will be {late(it['delay_s'])}{interval}{rule}\nby {it['model']} ({it['rung']}{why})"


def _scored(it: dict[str, Any]) -> str:
    inside = "inside" if it["covered"] else "outside"
    errors = f"error {_signed(it['error_s'])} min, {inside} the interval; the simple rule's error {_signed(it['baseline_error_s'])} min"
    return f"was {late(it['actual_s'])}: {errors}\nthe truth came {it['label_lag_s'] / 60:.0f} min after the prediction"


def _drifted(it: dict[str, Any]) -> str:
    before, after = it["before_s"] / 60, it["after_s"] / 60
    return (
        f"{it['severity']} drift of {it['model']}: mean absolute error {before:.1f} → {after:.1f} min after {it['labels']} truths"
    )


_SAY = {
    "AssignmentAccepted": _accepted,
    "DelayPredicted": _predicted,
    "DeliveryCompleted": lambda it: f"{it['courier_id']} arrived",
    "PredictionScored": _scored,
    "DriftDetected": _drifted,
}


def _features(step: "Step") -> "RenderableType":
    """Return what the model saw, in columns."""
    from rich.columns import Columns
    from rich.panel import Panel

    values = step.fields["features"]
    cells = [
        f"[dim]{name}[/] {'unknown' if value <= UNKNOWN else f'{value:,.4g}'}"
        for name, value in zip(_names(len(values)), values, strict=True)
    ]
    return Panel(Columns(cells, padding=(0, 3)), title="what the model saw", title_align="left", border_style="dim")


def _names(count: int) -> list[str]:
    from models.dispatch.gains import NAMES

    return list(NAMES) if len(NAMES) == count else [f"feature {i}" for i in range(1, count + 1)]
