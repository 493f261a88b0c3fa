"""Is anything lost, or there twice, when workers are killed again and again under load?"""

import random
import threading
import time
from typing import Any

import psycopg

from affluent.children import Child
from infra.registry import Registry
from infra.settings import Kafka
from producers.client import Producer
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted
from tests.builders import many
from tests.e2e.conftest import World, settle

EVENTS, KILLS = 20_000, 5


def send(world: World, done: threading.Event) -> None:
    """Send acceptances and their completions at about 1,000 a second until EVENTS of each are confirmed."""
    accepted = many(
        AssignmentAccepted, EVENTS, event_id=lambda i: f"k-a{i}", assignment_id=lambda i: f"k{i}", depot_id=lambda i: f"k-depot-{i % 40}",
        courier_id=lambda i: f"k-courier-{i % 300}", source="restaurant",
    )  # fmt: skip
    completed = many(
        DeliveryCompleted, EVENTS, event_id=lambda i: f"k-c{i}", assignment_id=lambda i: f"k{i}", depot_id=lambda i: f"k-depot-{i % 40}",
        courier_id=lambda i: f"k-courier-{i % 300}",
    )  # fmt: skip
    with Producer(Kafka(brokers=world.stack.brokers), Registry(world.stack.registry_url)) as producer:
        for at in range(0, EVENTS, 500):
            producer.send_many(accepted[at : at + 500])
            producer.send_many(completed[at : at + 500])
            producer.flush()
            time.sleep(0.9)
    done.set()


def kill_often(children: dict[str, Child], seed: int) -> dict[str, int]:
    """SIGKILL one stream worker and one sink at random moments, KILLS times each, and start them again."""
    chance, kills = random.Random(seed), dict.fromkeys(children, 0)
    for kind in ["stream", "sink"] * KILLS:
        time.sleep(chance.uniform(1.0, 3.0))
        name = chance.choice([n for n in children if n.startswith(kind)])
        victim = children[name]
        assert victim.process is not None
        assert victim.code is None, f"{name} ended by itself: {victim.last_words()}"
        victim.process.kill()
        victim.process.wait()
        kills[name] += 1
        victim.start()
    return kills


def test_every_accepted_event_comes_to_rest_exactly_once_though_workers_are_killed(world: World) -> None:
    done = threading.Event()
    with world.processes("stream", "stream.2", "sink", "sink.2") as children:
        sender = threading.Thread(target=send, args=(world, done), daemon=True)
        sender.start()
        kills = kill_often(children, seed=20)
        sender.join(120)
        assert done.is_set()
        settle(world, list(children.values()))

    assert sum(n for name, n in kills.items() if name.startswith("stream")) == KILLS
    assert sum(n for name, n in kills.items() if name.startswith("sink")) == KILLS
    with psycopg.connect(world.stack.postgres_dsn) as session:
        for table, key in (
            ("assignment_accepted", "event_id"),
            ("delay_predicted", "cause"),
            ("prediction_scored", "assignment_id"),
        ):
            found = session.execute(
                f"SELECT count(*), count(DISTINCT {key}) FROM {table} WHERE assignment_id LIKE 'k%'"
            ).fetchone()
            assert (table, found) == (table, (EVENTS, EVENTS))
    verdict = world.ask("replay", "dispatch", "--verify")
    assert (verdict["mismatches"], verdict["first"]) == (0, None)


def test_reading_every_topic_again_changes_no_table(world: World) -> None:
    before = contents(world)
    world.run("sink", "dispatch", "--into", "history", "--again", "--drain")

    assert before
    assert contents(world) == before


def contents(world: World) -> dict[str, Any]:
    """Return each table's number of rows and a digest over all of them."""
    digest = "SELECT count(*), coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM {} t"
    with psycopg.connect(world.stack.postgres_dsn) as session:
        tables = session.execute(
            "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' "
            "AND relkind IN ('p', 'r') AND NOT relispartition AND relname NOT IN ('sink_offsets', 'alembic_version')"
        ).fetchall()
        return {name: session.execute(digest.format(name)).fetchone() for (name,) in tables}
