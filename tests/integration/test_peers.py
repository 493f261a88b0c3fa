"""Do the programs that we compare ourselves with do the whole work, rightly? A comparison with a broken program would flatter us."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from infra.errors import Fault
from infra.kafka import consumer, end_offsets, ensure_topics
from infra.settings import Kafka
from infra.stack import StackState
from tests.benchmarks.peers import NAMES, install, peer
from tests.benchmarks.work import forest, records
from tests.benchmarks.work.reference import Reference, reference
from tests.benchmarks.work.verify import verify
from tests.benchmarks.work.wire import PARTITIONS

JOBS_TOPIC, JOBS = "test.peers-jobs.v1", 10_000
"""20 minutes of jobs: a courier's window of 15 minutes has begun to forget."""
PATIENCE_S, STOP_S = 90, 20
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def kafka(stack: StackState) -> Kafka:
    settings = Kafka(brokers=stack.brokers)
    records.write(settings, JOBS_TOPIC, JOBS)
    return settings


@pytest.fixture(scope="module")
def right() -> Reference:
    return reference(JOBS)


@contextmanager
def running(name: str, kafka: Kafka, out: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a peer; it must live until the end, and then stop when asked."""
    given = {"brokers": kafka.brokers, "topic": JOBS_TOPIC, "out": out, "group": f"peer-{name}", "model": str(forest.model())}
    words = [word for key, value in given.items() for word in (f"--{key}", value)]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.peers.{name}", *words], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield process
        assert process.poll() is None, f"{name} ended by itself with {process.returncode}:\n{log.read_text()[-3000:]}"
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def everything(kafka: Kafka, topic: str) -> list[list[tuple[bytes, bytes]]]:
    """Keys and values of each partition, in order."""
    found: list[list[tuple[bytes, bytes]]] = [[] for _ in range(PARTITIONS)]
    reader = consumer(kafka, group="peers-test")
    reader.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    while sum(map(len, found)) < JOBS:
        for message in reader.consume(JOBS, 0.2):
            assert message.error() is None
            found[message.partition() or 0].append((message.key() or b"", message.value() or b""))
    reader.close()
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_peer_answers_every_job_once_and_rightly_and_commits_when_it_stops(
    name: str, kafka: Kafka, right: Reference, tmp_path: Path
) -> None:
    if name in install.KITS:
        try:
            install.KITS[name].install()
        except Fault as fault:
            pytest.skip(f"{name} cannot be had here: {fault}")
    assert peer(name).available() is None
    out = f"test.peers-{name.replace('_', '-')}.v1"
    ensure_topics(kafka, [records.topic(out)])
    watch = consumer(kafka, group=f"peer-{name}")
    began = time.monotonic()

    def ends(topic: str) -> list[int]:
        return [last for _, last in end_offsets(watch, topic, PARTITIONS)]

    with running(name, kafka, out, tmp_path / "log") as process:
        while sum(ends(out)) < JOBS and process.poll() is None and time.monotonic() < began + PATIENCE_S:
            time.sleep(0.1)
    read = [each.offset for each in watch.committed([TopicPartition(JOBS_TOPIC, p) for p in range(PARTITIONS)], timeout=15)]
    expected = ends(JOBS_TOPIC)
    watch.close()
    if name == "echo":
        assert everything(kafka, out) == everything(kafka, JOBS_TOPIC)
    else:
        found = verify(kafka, out, right)
        assert (found.missing, found.wrong, found.duplicates) == (0, 0, 0), (tmp_path / "log").read_text()[-3000:]
    assert read == expected
    print(f"{name}: {time.monotonic() - began:.1f} s, {peer(name).LINES} lines")
