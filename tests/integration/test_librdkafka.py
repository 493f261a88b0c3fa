"""Do columns come and go through librdkafka as single records would?"""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as ClassicProducer

from infra import kafka
from infra.errors import Fault
from infra.kafka import columns
from infra.librdkafka import Consumer, Fetched, Producer, Report
from infra.settings import Kafka
from infra.stack import StackState
from schemas.columns import Records, Strings
from schemas.event import Topic
from streams.engine.reading import bounds, stretch

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def settings(stack: StackState) -> Kafka:
    return Kafka(brokers=stack.brokers)


@pytest.fixture
def topic(settings: Kafka, request: pytest.FixtureRequest) -> str:
    name = f"columns.{request.node.name.replace('_', '-')[:60]}.v1"
    kafka.ensure_topics(settings, [Topic(name, key="k", partitions=3)])
    return name


@pytest.fixture
def producer(settings: Kafka) -> Iterator[Producer]:
    made = columns.producer(settings)
    yield made
    made.close()


@pytest.fixture
def consumer(settings: Kafka) -> Iterator[Consumer]:
    made = columns.consumer(settings, group="columns")
    yield made
    made.close()


def reports(producer: Producer, count: int) -> list[Report]:
    """Wait until so many reports have come."""
    found: list[Report] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count:
        assert time.monotonic() < deadline, f"{count} reports expected, {len(found)} came"
        found += producer.serve(0.1)
    return found


def everything(consumer: Consumer, topic: str) -> list[tuple[int, int, bytes | None, bytes | None]]:
    """Return partition, offset, key and value of every record of a topic."""
    found = []
    for partition in range(3):
        for part in stretch(consumer, topic, partition, *bounds(consumer, topic, partition)):
            rows = zip(part.offsets.tolist(), part.keys.raws(), part.values.raws(), strict=True)
            found += [(partition, *row) for row in rows]
    return found


def test_keys_values_nulls_and_empty_ones_come_back_as_they_went(producer, consumer, topic) -> None:
    values = [b"one", None, b"", b"x" * 500_000, "ü".encode()]
    keys = [b"a", b"b", None, b"", b"a"]

    producer.produce(topic, Strings.of(values), Strings.of(keys), partition=1, number=7)

    assert reports(producer, 1) == [Report(7, 4)]
    assert everything(consumer, topic) == [(1, i, key, value) for i, (key, value) in enumerate(zip(keys, values, strict=True))]


def test_the_place_of_a_key_is_that_of_all_our_producers(producer, consumer, topic) -> None:
    keys = [f"key-{i}".encode() for i in range(100)]

    producer.produce(topic, Strings.of(keys), Strings.of(keys), number=1, report_all=True)

    assert len(reports(producer, 100)) == 100
    assert {(p, k) for p, _, k, _ in everything(consumer, topic)} == {(kafka.partition_for(k, 3), k) for k in keys}


def test_times_and_offsets_are_the_brokers(producer, consumer, topic) -> None:
    before = time.time() * 1000
    producer.produce(topic, Strings.of([b"v"] * 3), partition=0, number=1)
    reports(producer, 1)

    (part,) = stretch(consumer, topic, 0, 1, 3)

    assert part.offsets.tolist() == [1, 2]
    assert part.topic == topic
    assert (np.abs(part.appended_at - before) < 60_000).all()
    assert part.keys.raws() == [None, None]


def test_one_report_comes_for_a_batch_and_more_than_the_client_holds_are_handed_over_in_order(settings, consumer, topic) -> None:
    small = columns.producer(settings, **{"queue.buffering.max.messages": 100, "linger.ms": 0})
    served: list[Report] = []
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            served.extend(small.serve(0.05))

    thread = threading.Thread(target=serve)
    thread.start()
    small.produce(topic, Strings.of([b"%d" % i for i in range(5_000)]), partition=2, number=9)
    deadline = time.monotonic() + PATIENCE_S
    while not served and time.monotonic() < deadline:
        stop.wait(0.05)
    stop.set()
    thread.join()
    small.close()

    assert served == [Report(9, 4_999)]
    assert [value for _, _, _, value in everything(consumer, topic)] == [b"%d" % i for i in range(5_000)]


def test_a_record_that_is_too_large_is_refused_by_name(producer, topic) -> None:
    with pytest.raises(KafkaException, match=f"{topic}: a record of 2000000 bytes"):
        producer.produce(topic, Strings.of([b"x" * 2_000_000]), partition=0)


def test_a_topic_that_is_not_there_fails_for_good_and_loudly(settings) -> None:
    producer = columns.producer(settings, **{"topic.metadata.propagation.max.ms": 500})
    producer.produce("columns.nowhere.v1", Strings.of([b"x"]), partition=0, number=3)

    (report,) = reports(producer, 1)
    producer.close()

    assert (report.number, report.error is not None and report.error.code()) == (3, KafkaError.UNKNOWN_TOPIC_OR_PART)


def test_a_group_shares_partitions_commits_and_gives_them_back(settings, topic, producer) -> None:
    for partition in range(3):
        producer.produce(topic, Strings.of([b"%d" % i for i in range(10)]), partition=partition, number=1)
    reports(producer, 3)
    one = columns.consumer(settings, group=topic, **{"group.protocol": "consumer"})
    seen: list[Records] = []
    ends: dict[tuple[str, int], int] = {}
    told: list[tuple[str, int]] = []

    def revoked(places: list[tuple[str, int]]) -> None:
        told.append(("revoked", len(places)))
        one.incremental_unassign(places)

    one.subscribe(
        [topic],
        on_assign=lambda places: one.incremental_assign(dict.fromkeys(places, 4)),
        on_revoke=revoked,
        on_lost=lambda places: told.append(("lost", len(places))),
    )
    deadline = time.monotonic() + PATIENCE_S
    while len(ends) < 3:
        assert time.monotonic() < deadline
        fetched: Fetched = one.fetch(100, 0.1)
        assert not fetched.errors
        seen += fetched.records
        ends |= fetched.ends
    assert sorted((r.partition, o) for r in seen for o in r.offsets.tolist()) == [(p, o) for p in range(3) for o in range(4, 10)]
    assert ends == {(topic, p): 10 for p in range(3)}
    assert one.lags() == {(topic, p): 0 for p in range(3)}
    one.commit({(topic, 0): 7, (topic, 1): 10}, wait=True)
    assert one.committed([(topic, p) for p in range(3)]) == {(topic, 0): 7, (topic, 1): 10, (topic, 2): -1001}
    one.close()
    assert told == [("revoked", 3)]


def test_the_end_lies_behind_the_markers_of_transactions_and_aborted_records_are_not_seen(settings, topic, consumer) -> None:
    classic = ClassicProducer({"bootstrap.servers": settings.brokers, "transactional.id": topic})
    classic.init_transactions(PATIENCE_S)
    for round_, keep in enumerate([True, False, True, False]):
        classic.begin_transaction()
        for i in range(3):
            classic.produce(topic, f"{round_}-{i}", partition=0)
        classic.flush()
        (classic.commit_transaction if keep else classic.abort_transaction)()

    deadline = time.monotonic() + PATIENCE_S
    while bounds(consumer, topic, 0) != (0, 16):  # the last marker is written a moment after the word that it will be
        assert time.monotonic() < deadline
    assert [value for _, _, _, value in everything(consumer, topic)] == [b"0-0", b"0-1", b"0-2", b"2-0", b"2-1", b"2-2"]
    assert list(stretch(consumer, topic, 0, 15, 16)) == []

    classic.begin_transaction()
    classic.produce(topic, "open", partition=0)
    classic.flush()
    assert bounds(consumer, topic, 0) == (0, 16)  # what cannot be read yet does not count
    classic.abort_transaction()

    consumer.assign({(topic, 0): 0})
    while (topic, 0) not in consumer.fetch(100, 0.1).ends:
        assert time.monotonic() < deadline
    assert consumer.lags() == {(topic, 0): 0}


def test_what_a_callback_raises_comes_out_of_the_fetch(settings, topic) -> None:
    one = columns.consumer(settings, group=f"{topic}.raises", **{"group.protocol": "consumer"})

    def refuse(_places) -> None:
        raise Fault("not mine")

    one.subscribe([topic], on_assign=refuse, on_revoke=lambda _: None, on_lost=lambda _: None)

    def fetch_on() -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            one.fetch(1, 0.1)

    with pytest.raises(Fault, match="not mine"):
        fetch_on()
    one.close()


def test_an_unknown_setting_is_named(settings) -> None:
    with pytest.raises(Fault, match=r"No such configuration property: .no\.such\.thing"):
        columns.consumer(settings, group="g", **{"no.such.thing": 1})
    with pytest.raises(Fault, match=r"Kafka client: Invalid value for configuration property .queue.buffering.max.ms"):
        columns.producer(settings, **{"linger.ms": "soon"})
