"""Is all as it should be when the log is not what one expects: transactions, compaction, retention, a damaged state log?"""

import re
import signal
import time
import uuid
from collections.abc import Sequence

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from infra.kafka import ensure_topics
from infra.settings import Kafka
from tests.ledger import broker, logs
from tests.ledger.fleet import Worker, fleet
from tests.ledger.ledger import LONG, Ledger, eventually, flowing
from tests.ledger.scene import PARTITIONS, Scene
from tests.ledger.sender import Row, depots, rows, sending


def put(ledger: Ledger, topic: str, ready: Sequence[Row | tuple[None, bytes]], partition: int = -1) -> None:
    """Write ready-made records and have them confirmed."""
    producer = Producer(
        {"bootstrap.servers": ledger.stack.brokers, "partitioner": "murmur2_random", "message.max.bytes": 16 << 20}
    )
    for key, value in ready:
        producer.produce(topic, value, key, partition)
    assert producer.flush(60) == 0


def refused(worker: Worker) -> str:
    """Wait until a worker has ended with code 1 and return its last line."""
    assert worker.wait() == 1, f"ended with {worker.code}: {worker.words()}"
    return worker.words(1)


def transact(ledger: Ledger, ready: Sequence[Row], topic: str, *, commit: bool) -> None:
    """Write records in one transaction and end it."""
    producer = Producer(
        {"bootstrap.servers": ledger.stack.brokers, "partitioner": "murmur2_random", "transactional.id": uuid.uuid4().hex}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for key, value in ready:
        producer.produce(topic, value, key)
    producer.flush(30)
    (producer.commit_transaction if commit else producer.abort_transaction)(30)


def test_transactions_committed_and_aborted(ledger: Ledger) -> None:
    """Aborted records are seen by nobody, and markers at the end of every partition are no lag."""
    scene, each = ledger.scene(), 240
    kept = [True, False, True, True, False, False]
    with fleet(scene, 1) as workers:
        for number, commit in enumerate(kept[:4]):
            transact(ledger, rows(scene, range(number * each, (number + 1) * each)), scene.facts.name, commit=commit)
        flowing(scene, workers)
        for number, commit in enumerate(kept[4:], 4):
            transact(ledger, rows(scene, range(number * each, (number + 1) * each)), scene.facts.name, commit=commit)
        verdict = ledger.close(
            "transactions", scene, workers, struck=kept.count(False), sent=each * kept.count(True), patience_s=20
        )

    assert verdict.lag == 0


def test_the_last_marker_lies_behind_what_a_new_worker_starts_with(ledger: Ledger) -> None:
    scene = ledger.scene()
    transact(ledger, rows(scene, range(240)), scene.facts.name, commit=True)
    transact(ledger, rows(scene, range(240, 480)), scene.facts.name, commit=False)
    with fleet(scene, 1) as workers:
        ledger.settle(scene, workers, 20)
        workers.stop(workers.workers[0])
        workers.start()
        ledger.close("a tail of aborted records", scene, workers, struck=1, sent=240, patience_s=20)


def test_compacted_input(ledger: Ledger) -> None:
    scene, told, keys = ledger.scene(), 6_000, 240
    topic = scene.facts.name
    broker.configure(
        ledger.stack, topic, cleanup_policy="compact", segment_bytes="1048576", segment_ms="100",
        min_cleanable_dirty_ratio="0.001", min_compaction_lag_ms="0", max_compaction_lag_ms="200",
    )  # fmt: skip
    broker.configure(ledger.stack, None, log_cleaner_backoff_ms="200")
    for part in range(4):
        put(ledger, topic, rows(scene, range(part * told // 4, (part + 1) * told // 4), starts_at=lambda i: f"k{i % keys}"))
        time.sleep(0.3)
    eventually(lambda: sum(map(len, logs.read(scene.brokers, topic, PARTITIONS))) < told / 2, 40, "compaction")
    broker.configure(ledger.stack, topic, cleanup_policy="delete")
    left = sum(map(len, logs.read(scene.brokers, topic, PARTITIONS)))
    with fleet(scene, 1) as workers:
        ledger.close(f"compacted, {left} of {told} left", scene, workers, struck=1, sent=left, patience_s=20)


def test_retention_that_passed_the_state_of_a_worker_that_was_away_is_refused_by_name_and_offset(ledger: Ledger) -> None:
    scene = ledger.scene()
    with fleet(scene, 1) as workers:
        with sending(scene) as sender:
            flowing(scene, workers)
        ledger.settle(scene, workers)
        workers.stop(workers.workers[0])
        reached = logs.ends(scene.brokers, scene.facts.name, PARTITIONS)[3]
        sender.send(range(sender.sent, sender.sent + 2_400))
        sender.flush()
        broker.retain(ledger.stack, scene.facts.name, 3, reached + 50)
        worker = workers.start()
        said = refused(worker)
        workers.workers.remove(worker)

    assert f"{scene.facts.name}[3]" in said
    assert re.search(rf"\b{reached}\b.*\b{reached + 50}\b", said), said


def test_retention_that_overtakes_a_running_worker_stops_it_loudly(ledger: Ledger) -> None:
    scene = ledger.scene(max_batch=500, max_in_flight=1_000)
    with fleet(scene, 1) as workers:
        worker = workers.workers[0]
        with sending(scene) as sender:
            flowing(scene, workers)
        ledger.settle(scene, workers)
        worker.signal(signal.SIGSTOP)
        sender.send(range(sender.sent, sender.sent + 200_000))
        sender.flush()
        ends = logs.ends(scene.brokers, scene.facts.name, PARTITIONS)
        for partition in range(PARTITIONS):
            broker.retain(ledger.stack, scene.facts.name, partition, ends[partition] - 10)
        worker.signal(signal.SIGCONT)
        said = refused(worker)
        workers.workers.remove(worker)

    assert scene.facts.name in said
    assert "retention" in said


def state_topic(ledger: Ledger, scene: Scene) -> None:
    """Delete the scene's state topic and make it anew, as its message asks for."""
    admin = AdminClient({"bootstrap.servers": ledger.stack.brokers})
    for future in admin.delete_topics([scene.agent.state_topic.name]).values():
        future.result()
    eventually(lambda: scene.agent.state_topic.name not in admin.list_topics(timeout=10).topics)
    ensure_topics(Kafka(brokers=scene.brokers), [scene.agent.state_topic], partitions=PARTITIONS)


@pytest.mark.parametrize("how", ["a bit turned", "cut short", "not of ours"] if LONG else ["a bit turned"])
def test_a_damaged_state_record_is_refused_and_the_state_can_be_rebuilt_from_the_facts(ledger: Ledger, how: str) -> None:
    scene = ledger.scene()
    with fleet(scene, 1) as workers, sending(scene) as sender:
        flowing(scene, workers)
        sent = sender.finish()
        ledger.settle(scene, workers)
        workers.stop(workers.workers[0])
        last = logs.read(scene.brokers, scene.agent.state_topic.name, PARTITIONS)[5][-1].value or b""
        middle = len(last) // 2
        damaged = {
            "a bit turned": last[:middle] + bytes([last[middle] ^ 4]) + last[middle + 1 :],
            "cut short": last[:middle],
            "not of ours": b"hello",
        }
        put(ledger, scene.agent.state_topic.name, [(None, damaged[how])], 5)
        worker = workers.start()
        said = refused(worker)
        workers.workers.remove(worker)
        assert f"{scene.agent.state_topic.name}[5] offset" in said

        state_topic(ledger, scene)
        sender.send(range(sent, sent + 480))
        sender.flush()
        workers.start()
        verdict = ledger.close(f"state {how}, rebuilt", scene, workers, struck=1, sent=sent + 480)

    assert verdict.repeated == 0


def test_the_depots_of_the_facts_reach_every_partition_equally() -> None:
    assert len(set(depots())) == len(depots()) == PARTITIONS * 4
