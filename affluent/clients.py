"""Which clients does the engine get? Those of the settings: the same for a worker, a replay and a test."""

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

from confluent_kafka import TopicPartition

from infra import kafka
from infra.errors import Fault
from infra.kafka import columns
from infra.registry import Registry
from infra.settings import Settings
from infra.store import BundleStore, NoBundle
from models.bundle import BadBundle, Bundle
from models.scoring import ScoreFailed
from schemas import catalogue
from schemas.event import Event
from streams.engine.options import Clients
from streams.engine.topology import Topology


def schema_ids(registry: Registry) -> dict[type[Event], int]:
    """Register every event and return the schema id of each class, under the topic it belongs to."""
    subjects = catalogue.subjects()
    ids = registry.register_all(subjects)
    return {event: ids[name] for name, (topic, event) in subjects.items() if getattr(event, "topic", None) == topic}


def refuse_loudly(sha: str, why: str) -> None:
    """Stop a command that cannot do without this bundle. Raises Fault."""
    raise Fault(f"bundle {sha[:12]}: {why}; train again, or put back the store and the keys it was made with")


def bundles(settings: Settings, refused: Callable[[str, str], None] = refuse_loudly) -> Callable[[str], Any]:
    """Return how to get a bundle by its hash: loaded once; None, with the reason told, if it is missing or may not be used."""
    store = BundleStore.at(settings.store)

    @lru_cache(maxsize=64)
    def load(sha: str) -> Any:
        try:
            found = Bundle.load(store.get(sha), store.keys.trusted(), sha)
        except (BadBundle, NoBundle) as bad:
            refused(sha, str(bad))
            return None
        with suppress(ScoreFailed):  # then the ladder answers, and says why
            found.warm()
        return found

    return load


def engine_clients(settings: Settings, refused: Callable[[str, str], None] = refuse_loudly) -> Clients:
    """Return what a worker needs to reach the world; registers the schemas. Raises Fault or Unavailable."""
    registry = Registry(settings.registry.url)
    admin = kafka.admin(settings.kafka)

    def trim(topic: str, partition: int, before: int) -> None:
        admin.delete_records([TopicPartition(topic, partition, before)])

    return Clients(
        consumer=partial(columns.consumer, settings.kafka),
        producer=partial(columns.producer, settings.kafka),
        trim=trim,
        schemas=registry,
        schema_ids=schema_ids(registry),
        bundles=bundles(settings, refused),
    )


def ensure(settings: Settings, *topologies: Topology) -> dict[str, int]:
    """Create the catalogue's topics and the agents' state topics where they are missing; returns the partitions of each."""
    states = [agent.state_topic for topology in topologies for agent in topology.agents.values()]
    return kafka.ensure_topics(settings.kafka, [*catalogue.topics().values(), *states])
