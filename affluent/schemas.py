"""What are the words, and are the files that tell others about them fresh?"""

from pathlib import Path

from affluent.answers import as_json, as_table, said
from infra.errors import Fault
from schemas import avro, catalogue
from schemas.event import Event, fields
from schemas.rendering import every_event, render_all


def render() -> None:
    """Write the `.avsc` file of every event class, and remove files whose class is gone."""
    avro.AVRO.mkdir(exist_ok=True)
    wanted = render_all()
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            said(f"wrote {path.name}")
    for path in _gone(wanted):
        path.unlink()
        said(f"removed {path.name}: its class is gone")


def check() -> None:
    """Raise Fault that names the files which are not what their classes render."""
    wanted = render_all()
    stale = [path.name for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    stale += [path.name for path in _gone(wanted)]
    if stale:
        raise Fault(
            f"not what their classes say: {', '.join(sorted(stale))}; run `affluent schemas render` and read the difference"
        )


def list_events(*, json: bool) -> None:
    """Print every event with its subjects, key and fields."""
    subjects: dict[str, list[str]] = {}
    for subject, (_, event) in catalogue.subjects().items():
        subjects.setdefault(event.__name__, []).append(subject)
    classes = {event.__name__: event for event in every_event()}
    if json:
        as_json({"events": [_told(event, subjects.get(name, [])) for name, event in classes.items()]})
        return
    as_table(
        ("event", "topic", "key", "fields", "says"),
        (
            (name, *_place(event), len(event.model_fields), (event.__doc__ or "").strip().splitlines()[0])
            for name, event in classes.items()
        ),
    )


def _gone(wanted: dict[Path, str]) -> list[Path]:
    return sorted(set(avro.AVRO.glob("*.avsc")) - set(wanted))


def _place(event: type[Event]) -> tuple[str, str]:
    topic = getattr(event, "topic", None)
    return (topic.name, topic.key) if topic else ("every facts topic", "")


def _told(event: type[Event], subjects: list[str]) -> dict[str, object]:
    topic, key = _place(event)
    described = {name: info.description for name, info in fields(event)}
    return {"event": event.__name__, "topic": topic, "key": key, "subjects": subjects, "fields": described}
