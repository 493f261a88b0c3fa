"""Which topics are there, who writes and reads them, and are they on the broker?"""

from pathlib import Path

from affluent.answers import as_json, as_table, said
from infra.errors import Fault
from schemas import catalogue
from schemas.event import Topic

PAGE = Path(__file__).parents[1] / "docs" / "topology.md"


def list_topics(*, json: bool) -> None:
    """Print the topics of the catalogue."""
    topics = sorted(catalogue.topics().values(), key=lambda topic: topic.name)
    if json:
        as_json({"topics": [_told(topic) for topic in topics]})
        return
    rows = ((topic.name, topic.key, topic.partitions, _kept(topic), ", ".join(_holds(topic))) for topic in topics)
    as_table(("topic", "key", "partitions", "kept", "holds"), rows)


def create(*, partitions: int | None, json: bool) -> None:
    """Create the topics that are missing and register every schema. Raises Fault or Unavailable."""
    from affluent.wiring import settings
    from infra.kafka import ensure_topics
    from infra.registry import Registry

    given = settings()
    found = ensure_topics(given.kafka, catalogue.topics().values(), partitions)
    with Registry(given.registry.url) as registry:
        ids = registry.register_all(catalogue.subjects())
    if json:
        as_json({"topics": found, "schemas": ids})
    else:
        said(f"{len(found)} topics and {len(ids)} schemas are there")


def show_map(*, write: bool, check: bool) -> None:
    """Print the graph, write its page, or raise Fault if the page says something else."""
    if check:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
            raise Fault(f"{PAGE.name} is not what the agents say: run `affluent topics map --write` and read the difference")
    elif write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        said(_map())


def page() -> str:
    """Return the text of docs/topology.md."""
    return f"# Which agent reads and writes what\n\nWritten by `affluent topics map --write`.\n\n```\n{_map()}\n```\n"


def _map() -> str:
    from affluent.stream import topology_of

    return "\n\n".join(topology_of(domain.__name__.rpartition(".")[2]).map() for domain in catalogue.DOMAINS)


def _holds(topic: Topic) -> list[str]:
    return [event.__name__ for event in catalogue.holds(topic)]


def _kept(topic: Topic) -> str:
    kept = "for ever" if topic.retention is None else f"{topic.retention.days} days"
    return f"{kept}, newest of a key" if topic.compacted else kept


def _told(topic: Topic) -> dict[str, object]:
    days = None if topic.retention is None else topic.retention.days
    return {
        "topic": topic.name, "key": topic.key, "partitions": topic.partitions, "retention_days": days,
        "compacted": topic.compacted, "facts": topic.facts, "holds": _holds(topic),
    }  # fmt: skip
