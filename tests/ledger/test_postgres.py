"""Does what a zombie says late change anything at rest? A worker frozen in the midst of an epoch, and a real sink into Postgres."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from consumers.history import History
from consumers.sink import SETTINGS, Loop, Sink
from infra import kafka
from infra.metrics import SinkMetrics
from infra.registry import Registry
from infra.settings import Kafka
from schemas.dispatch import DelayPredicted
from tests.integration.sink_scene import new_database
from tests.ledger.fleet import Worker, fleet
from tests.ledger.ledger import LONG, Ledger, eventually, flowing
from tests.ledger.oracle import reckoned
from tests.ledger.scene import Scene, Stop
from tests.ledger.sender import courier, depot, distance, sending
from tests.ledger.test_members import PATIENCE_S, SESSION_S

Rows = dict[str, tuple[str, str]]
"""By event id: the transaction that wrote the row, and a digest of all that is in it."""


@contextmanager
def sinking(scene: Scene, dsn: str) -> Iterator[None]:
    """Write the scene's outputs into Postgres meanwhile."""
    stop, metrics = threading.Event(), SinkMetrics(CollectorRegistry())
    history = History(dsn, sink=scene.name, metrics=metrics, now=time.time)
    consumer = kafka.consumer(Kafka(brokers=scene.brokers), group=f"sink-{scene.name}", **SETTINGS)
    sink = Sink(reads=scene.outputs, into=history, holds=(DelayPredicted,))
    with Registry(scene.registry_url) as registry:
        loop = Loop([sink], consumer=consumer, schemas=registry, metrics=metrics, stop=stop)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)


def at_rest(dsn: str) -> Rows:
    """Return every row."""
    with psycopg.connect(dsn) as session:
        found = session.execute("SELECT event_id, xmin::text, md5(t::text) FROM delay_predicted t").fetchall()
    assert len({one for one, _, _ in found}) == len(found)
    return {one: (by, digest) for one, by, digest in found}


def features(dsn: str) -> dict[str, tuple[float, float]]:
    """Return what each job's prediction saw."""
    with psycopg.connect(dsn) as session:
        found = session.execute("SELECT assignment_id, features FROM delay_predicted").fetchall()
    return {job: (jobs, km) for job, (jobs, km) in found}


def frozen(worker: Worker) -> bool:
    """Whether the process stands still."""
    return Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("point", ["sent", "delivered"] if LONG else ["sent"])
def test_a_zombie_frozen_in_the_midst_of_an_epoch_changes_nothing_at_rest(ledger: Ledger, point: str) -> None:
    scene = ledger.scene()
    with new_database(ledger.stack) as dsn, sinking(scene, dsn), fleet(scene) as workers, sending(scene) as sender:
        zombie = workers.start(scene.but(stop=Stop(point, 60, signal.SIGSTOP)))
        workers.start()
        workers.start()
        eventually(lambda: frozen(zombie), what="the zombie's standing still")
        time.sleep(SESSION_S + 4)
        flowing(scene, workers)
        before = at_rest(dsn)
        zombie.signal(signal.SIGCONT)
        time.sleep(3)
        flowing(scene, workers)
        sent = sender.finish()
        verdict = ledger.close(f"a zombie, frozen when {point}, and Postgres", scene, workers, struck=1, sent=sent)
        eventually(lambda: len(at_rest(dsn)) == sent, what=f"{sent} rows")
        after = at_rest(dsn)
        seen = features(dsn)

    assert verdict.repeated > 0
    assert max(verdict.silences_s) < PATIENCE_S
    assert before
    assert {one: after[one] for one in before} == before
    assert seen == reckoned(range(sent), courier, depot, distance)
