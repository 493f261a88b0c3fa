"""Whatever is done to a sink's process, its store or its group: is every event at rest exactly once?"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from consumers.history import counts
from consumers.trace import unanswered
from infra import cache, kafka
from infra.settings import Kafka
from infra.stack import StackState
from schemas.dispatch import AssignmentAccepted, DelayPredicted, DeliveryCompleted
from schemas.event import Event
from tests.builders import many
from tests.integration.sink_scene import Gate, contents, eventually, new_database, rows, wires
from tests.integration.sink_worker import Orders

ROOT = Path(__file__).parents[2]
JOBS = 1_000


@dataclass
class Scene:
    """Topics and a database of our own, with processes that end with the test."""

    orders: Orders
    producer: Producer
    closing: ExitStack
    sent: set[str] = field(default_factory=set)

    def send(self, first: int, n: int) -> None:
        """Send n jobs: accepted, predicted, completed, of 40 depots over 2 days, and have them confirmed."""
        facts, predictions = self.orders.topics
        depots: dict[str, Any] = {"depot_id": lambda i: f"d{i % 40}", "every": timedelta(seconds=40)}
        self._send(facts.name, many(AssignmentAccepted, n, event_id=lambda i: f"a{first + i}", **depots))
        caused = depots | {"cause": lambda i: f"a{first + i}", "assignment_id": lambda i: f"{self.orders.sink}-{first + i}"}
        self._send(predictions.name, many(DelayPredicted, n, event_id=lambda i: f"p{first + i}", features=[0.5] * 20, **caused))
        self._send(facts.name, many(DeliveryCompleted, n, event_id=lambda i: f"c{first + i}", **depots))
        assert self.producer.flush(60) == 0

    @contextmanager
    def sending(self, first: int, n: int) -> Iterator[None]:
        """Send jobs meanwhile."""
        thread = threading.Thread(target=self.send, args=(first, n))
        thread.start()
        yield
        thread.join()

    def _send(self, topic: str, events: list[Event]) -> None:  # type: ignore[type-arg, unused-ignore]
        for (key, value), event in zip(wires(events), events, strict=True):
            self.producer.produce(topic, value, key)
            self.sent.add(event.event_id)

    def start(self, **other: Any) -> "subprocess.Popen[bytes]":
        """Start a sink of our topics."""
        process = subprocess.Popen(replace(self.orders, **other).command(), cwd=ROOT, stderr=subprocess.PIPE)
        self.closing.callback(process.kill)
        threading.Thread(target=process.communicate, daemon=True).start()
        return process

    def drain(self, **other: Any) -> None:
        """Run a sink until it has written everything; it must end well."""
        process = self.start(drain=True, group=uuid4().hex, **other)
        assert process.wait(120) == 0

    def at_rest(self) -> int:
        """How many rows there are."""
        return sum(counts(self.orders.dsn).values())

    def ids(self) -> list[str]:
        """Return the id of every row, in order."""
        tables = ("assignment_accepted", "delivery_completed", "delay_predicted")
        return sorted(id_ for table in tables for (id_,) in rows(self.orders.dsn, f"SELECT event_id FROM {table}"))


@pytest.fixture
def scene(stack: StackState) -> Iterator[Scene]:
    run, settings = uuid4().hex[:10], Kafka(brokers=stack.brokers)
    with ExitStack() as closing:
        orders = Orders(
            brokers=stack.brokers,
            dsn=closing.enter_context(new_database(stack)),
            redis=stack.redis_url,
            facts=f"dispatch.facts-{run}.v1",
            predictions=f"dispatch.predictions-{run}.v1",
            sink=f"sink-{run}",
            group=f"sink-{run}",
        )
        kafka.ensure_topics(settings, orders.topics)
        yield Scene(orders, kafka.producer(settings), closing)


def test_killed_five_times_under_load_every_event_is_at_rest_once(scene: Scene) -> None:
    for part in range(5):
        before = scene.at_rest()
        with scene.sending(part * JOBS, JOBS):
            # A group of its own each time: the dead one's keeps its partitions until Kafka misses it. The database knows the place.
            process = scene.start(group=uuid4().hex)
            eventually(lambda before=before: scene.at_rest() > before + 200)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL
    scene.drain()

    assert scene.ids() == sorted(scene.sent)
    assert len(scene.sent) == 5 * 3 * JOBS
    assert unanswered(scene.orders.dsn) == 0
    assert rows(scene.orders.dsn, "SELECT count(*) FROM sink_letters") == [(0,)]
    redis = cache.client(scene.orders.redis)
    assert all(redis.exists(f"dispatch:delay:{scene.orders.sink}-{job}") for job in range(0, 5 * JOBS, 97))


def test_two_sinks_that_both_believe_they_own_everything_write_everything_once(scene: Scene) -> None:
    first, second = scene.start(group=uuid4().hex), scene.start(group=uuid4().hex)

    scene.send(0, JOBS)
    eventually(lambda: scene.at_rest() == 3 * JOBS)

    assert scene.ids() == sorted(scene.sent)
    for process in (first, second):
        assert process.poll() is None
        process.terminate()
        assert process.wait(10) == 0


def test_every_topic_read_twice_leaves_the_same_rows(scene: Scene) -> None:
    scene.send(0, 500)
    scene.drain()
    before = contents(scene.orders.dsn)

    scene.drain(sink="another")

    assert contents(scene.orders.dsn) == before
    assert scene.ids() == sorted(scene.sent)


def test_a_database_that_goes_and_comes_back_is_waited_for(scene: Scene) -> None:
    address = urlsplit(scene.orders.dsn)
    gate = Gate(address.hostname or "", address.port or 0)
    process = scene.start(dsn=scene.orders.dsn.replace(f":{address.port}/", f":{gate.port}/"))
    scene.send(0, 500)
    eventually(lambda: scene.at_rest() == 1500)

    gate.shut()
    scene.send(500, 1000)
    held = scene.at_rest()
    gate.open()
    eventually(lambda: scene.at_rest() == 4500)

    assert held < 4500
    assert scene.ids() == sorted(scene.sent)
    gate.shut()
    scene.send(1500, 10)
    process.terminate()
    assert process.wait(10) == 0


def test_a_cache_that_is_away_does_not_hold_up_the_history(scene: Scene) -> None:
    address = urlsplit(scene.orders.redis)
    gate = Gate(address.hostname or "", address.port or 0)
    gate.shut()
    scene.start(redis=scene.orders.redis.replace(f":{address.port}/", f":{gate.port}/"))

    scene.send(0, 200)
    eventually(lambda: scene.at_rest() == 600)
    redis = cache.client(scene.orders.redis)
    assert redis.exists(f"dispatch:delay:{scene.orders.sink}-7") == 0
    gate.open()

    eventually(lambda: redis.exists(f"dispatch:delay:{scene.orders.sink}-7") == 1)


def test_told_to_stop_under_load_it_ends_well_and_the_next_goes_on(scene: Scene) -> None:
    for part in range(3):
        before = scene.at_rest()
        with scene.sending(part * JOBS, JOBS):
            process = scene.start()
            eventually(lambda before=before: scene.at_rest() > before)  # type: ignore[misc]
            process.terminate()
            assert process.wait(10) == 0
    scene.drain()

    assert scene.ids() == sorted(scene.sent)


def test_the_command_writes_into_the_stack_and_stops_when_told(stack: StackState, tmp_path: Path) -> None:
    with new_database(stack) as dsn:
        environment = os.environ | {
            "AFFLUENT_KAFKA__BROKERS": stack.brokers,
            "AFFLUENT_REGISTRY__URL": stack.registry_url,
            "AFFLUENT_POSTGRES__DSN": dsn,
            "AFFLUENT_REDIS__URL": stack.redis_url,
            "AFFLUENT_STACK_DIR": str(tmp_path),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "affluent", "sink", "dispatch"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stderr is not None
            assert any("assigned" in line for line in process.stderr)
            process.terminate()
            rest = process.communicate(timeout=10)[1]
        finally:
            process.kill()

    assert process.returncode == 0
    assert "Traceback" not in rest


def test_without_a_database_the_command_says_what_to_do(tmp_path: Path) -> None:
    nothing = {name: value for name, value in os.environ.items() if not name.startswith("AFFLUENT_")}

    done = subprocess.run(
        [sys.executable, "-m", "affluent", "sink", "dispatch"],
        cwd=ROOT,
        env=nothing | {"AFFLUENT_STACK_DIR": str(tmp_path), "AFFLUENT_KAFKA__BROKERS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 1
    assert "AFFLUENT_POSTGRES__DSN" in done.stderr or "AFFLUENT_REDIS__URL" in done.stderr
    assert "Traceback" not in done.stderr
