"""What becomes of messages that nobody should have sent? One dead letter each, and their neighbours never know."""

import psycopg

from infra import kafka
from infra.registry import Registry
from infra.settings import Kafka
from producers.client import Producer
from schemas.catalogue import subject
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted
from tests import bad
from tests.builders import many
from tests.e2e.conftest import World, settle


def test_each_bad_message_is_one_letter_with_its_reason_and_its_neighbours_are_unharmed(world: World) -> None:
    brokers, registry = Kafka(brokers=world.stack.brokers), Registry(world.stack.registry_url)
    schema_id = registry.register_all({subject(ASSIGNMENTS, AssignmentAccepted): (ASSIGNMENTS, AssignmentAccepted)})
    wrong = list(bad.every(next(iter(schema_id.values()))))
    good = many(
        AssignmentAccepted, len(wrong), event_id=lambda i: f"good-{i}", assignment_id=lambda i: f"good-{i}", source="restaurant"
    )
    with world.processes("stream", "sink") as children:
        raw = kafka.producer(brokers, **bad.LARGE_MESSAGES)
        with Producer(brokers, registry) as producer:
            for event, message in zip(good, wrong, strict=True):
                producer.send(event)
                producer.flush()
                raw.produce(ASSIGNMENTS.name, message.value, message.key, partition=kafka.partition_for(event.key.encode(), 12))
                raw.flush()
        settle(world, list(children.values()))
        assert [child.code for child in children.values()] == [None, None]

    with psycopg.connect(world.stack.postgres_dsn) as session:
        letters = session.execute(
            "SELECT reason, detail FROM dead_letter WHERE agent = 'predict_delay' ORDER BY origin_partition, origin_offset"
        ).fetchall()
        predicted = session.execute("SELECT count(*) FROM delay_predicted WHERE assignment_id LIKE 'good-%'").fetchone()
    assert [reason for reason, _ in letters] == [message.reason for message in wrong]
    assert all(detail for _, detail in letters)
    assert predicted == (len(good),)
