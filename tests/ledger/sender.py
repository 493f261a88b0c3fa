"""What goes in? Acceptances numbered from 0, spread evenly over the partitions, some of them told twice, at a steady rate."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np

from infra.kafka import partition_for, producer
from infra.registry import Registry
from infra.settings import Kafka
from schemas import catalogue
from schemas.columns import Columns, Strings, encode
from schemas.dispatch import AssignmentAccepted
from tests.ledger.scene import PARTITIONS, Scene

DEPOTS_EACH, COURIERS = 4, 300
AGAIN_EVERY, AGAIN_BACK = 97, 40
"""Every so many facts one is told again that was told so many before."""
FIRST_AT = 1_362_850_200_000
"""Event time of the first fact, ms: years before it is sent."""
_STEP_S = 0.002, 0.02
"""Records come at odd moments: a beat of ours would fall in with that of the epochs, and a kill would always meet the same state."""
Row = tuple[bytes, bytes]
"""Key and value on the wire."""


@cache
def depots() -> tuple[str, ...]:
    """Return depots of which each partition gets equally many, partition by partition in turn."""
    found: list[list[str]] = [[] for _ in range(PARTITIONS)]
    number = 0
    while any(len(each) < DEPOTS_EACH for each in found):
        name = f"d{number}"
        found[partition_for(name.encode(), PARTITIONS)].append(name)
        number += 1
    return tuple(found[i % PARTITIONS][i // PARTITIONS] for i in range(PARTITIONS * DEPOTS_EACH))


@cache
def schema_id(registry_url: str) -> int:
    """Return the id of an acceptance's schema."""
    with Registry(registry_url) as registry:
        name = catalogue.subject(AssignmentAccepted.topic, AssignmentAccepted)
        return registry.register_all({name: (AssignmentAccepted.topic, AssignmentAccepted)})[name]


def distance(i: int) -> float:
    """Return how far job i goes: sums of these are not exact, so the order of addition shows."""
    return 0.1 + (i * 7919 % 1000) / 7


def courier(i: int) -> str:
    """Return who carries job i."""
    return f"c{i % COURIERS}"


def depot(i: int) -> str:
    """Return where job i starts."""
    return depots()[i % len(depots())]


def rows(
    scene: Scene,
    numbers: Sequence[int],
    *,
    starts_at: Callable[[int], str] = depot,
    carried_by: Callable[[int], str] = courier,
    at: Callable[[int], int] = lambda i: FIRST_AT + i,
) -> list[Row]:
    """Return the facts of these numbers as they lie in Kafka. at: event time, ms."""
    n = len(numbers)
    keys = [starts_at(i) for i in numbers]
    when = np.array([at(i) for i in numbers], np.int64)
    facts = Columns(
        AssignmentAccepted,
        {
            "event_id": [f"{scene.name}-{i}" for i in numbers], "at": when, "assignment_id": [str(i) for i in numbers],
            "depot_id": keys, "company_id": Strings.repeated("company", n), "courier_id": [carried_by(i) for i in numbers],
            "route_id": Strings.repeated("route", n), "source": Strings.repeated("ledger", n), "promised_at": when + 3_600_000,
            "lateness_s": np.zeros(n), "planned_s": np.full(n, 3600.0),
            "distance_km": np.array([distance(i) for i in numbers]), "items": np.ones(n, np.int64),
            "utc_offset_s": np.zeros(n, np.int64),
        },
    )  # fmt: skip
    values = encode(facts, schema_id(scene.registry_url)).raws()
    return [(key.encode(), value or b"") for key, value in zip(keys, values, strict=True)]


class Sender:
    """Sends facts numbered from 0 at a rate until stopped. sent: how many different ones; total: how many at most."""

    def __init__(self, scene: Scene, rate: int, total: int | None = None) -> None:
        self.scene, self.rate, self.total, self.sent, self.told_again = scene, rate, total, 0, 0
        self._producer = producer(Kafka(brokers=scene.brokers), **{"queue.buffering.max.messages": 2_000_000})
        self._stop, self._chance = threading.Event(), random.Random(rate)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stop.is_set():
            due = int((time.monotonic() - began) * self.rate)
            due = min(due, self.sent + 20_000, due if self.total is None else self.total)
            if due > self.sent:
                self.send(range(self.sent, due))
                self.sent = due
            if self.sent == self.total:
                return
            self._stop.wait(self._chance.uniform(*_STEP_S))

    def send(self, numbers: Sequence[int]) -> None:
        """Hand over these facts, and now and then one again."""
        again = [i - AGAIN_BACK for i in numbers if i % AGAIN_EVERY == 0 and i >= AGAIN_BACK]
        self.put(rows(self.scene, [*numbers, *again]))
        self.told_again += len(again)

    def put(self, ready: Sequence[Row], partition: int = -1) -> None:
        """Hand over ready-made records."""
        for key, value in ready:
            self._producer.produce(self.scene.facts.name, value, key, partition)
        self._producer.poll(0)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self, *, now: bool = True) -> int:
        """Stop, or go on to the total; have all confirmed and return how many facts there were."""
        if now:
            self._stop.set()
        self._thread.join()
        return self.flush()

    def flush(self) -> int:
        """Have all confirmed and return how many facts there were."""
        assert self._producer.flush(60) == 0
        return self.sent


@contextmanager
def sending(scene: Scene, rate: int = 2_000, total: int | None = None) -> Iterator[Sender]:
    """Send meanwhile; at the end everything is confirmed."""
    sender = Sender(scene, rate, total)
    sender.start()
    try:
        yield sender
    finally:
        sender.finish()
