"""Can an app publish only what is right, and does it learn what was not confirmed?"""

import io
import struct
from datetime import datetime
from typing import Any

import fastavro
import pytest
from confluent_kafka import KafkaError
from hypothesis import given

from infra.errors import Fault
from infra.kafka import partition_for
from producers.client import NotAnEvent, Producer, Undelivered
from schemas import avro
from schemas.control import Control, ModelVersionChanged
from schemas.dispatch import ASSIGNMENTS, DELAY_PREDICTED, AssignmentAccepted, DelayPredicted, DeliveryCompleted, WeatherObserved
from tests.builders import build, events, many
from tests.fakes import FakeLog, FakeOutlet, FakeRegistry

TOPIC = ASSIGNMENTS.name


@pytest.fixture
def log() -> FakeLog:
    return FakeLog({TOPIC: 3})


@pytest.fixture
def outlet(log: FakeLog) -> FakeOutlet:
    return FakeOutlet(log)


def connect(outlet: FakeOutlet, **more: Any) -> Producer:
    return Producer("fake:9092", FakeRegistry(), outlet=outlet, patience_s=0.0, **more)


def values(**changed: Any) -> dict[str, Any]:
    usual = dict(build(AssignmentAccepted).__dict__)
    return {name: value for name, value in {**usual, **changed}.items() if value is not ...}


def test_what_was_sent_lies_in_the_keys_partition(log: FakeLog, outlet: FakeOutlet) -> None:
    with connect(outlet) as producer:
        producer.send(build(AssignmentAccepted, depot_id="d1"))
    ((key, value),) = log.read(TOPIC, partition_for(b"d1", 3))
    assert key == b"d1"
    assert value is not None
    assert value[0] == 0


@given(events(AssignmentAccepted))
def test_an_event_reads_back_as_it_was(event: AssignmentAccepted) -> None:
    registry = FakeRegistry()
    raw = Producer("fake:9092", registry, outlet=FakeOutlet(FakeLog({TOPIC: 3}))).encode(event)
    zero, schema_id = struct.unpack(">bI", raw[:5])
    read = fastavro.schemaless_reader(io.BytesIO(raw[5:]), fastavro.parse_schema(avro.schema(AssignmentAccepted)), None)
    assert zero == 0
    assert registry.schema(schema_id) == avro.schema(AssignmentAccepted)
    assert AssignmentAccepted.model_validate(read) == event


def test_events_of_one_key_keep_their_order_across_types(log: FakeLog, outlet: FakeOutlet) -> None:
    with connect(outlet) as producer:
        sent = [
            build(AssignmentAccepted, depot_id="d1"),
            build(WeatherObserved, depot_id="d1"),
            build(DeliveryCompleted, depot_id="d1"),
        ]
        assert producer.send_many(sent) == 3
        expected = [producer.encode(event) for event in sent]
    assert [value for _, value in log.read(TOPIC, partition_for(b"d1", 3))] == expected


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"distance_km": "12"}, r"distance_km: .*number, found '12'"),
        ({"distance_km": ..., "distance_m": 900.0}, "distance_m: expected distance_km in km, found a value in m"),
        ({"distance_km": float("nan")}, r"distance_km: .*finite.*nan"),
        ({"lateness_s": 1e9}, r"lateness_s: .*604800, found 1000000000"),
        ({"depot_id": ""}, "depot_id: expected 1 to 200 bytes of UTF-8, found 0"),
        ({"depot_id": ...}, "depot_id: expected a value, found nothing"),
        ({"depot_id": None}, r"depot_id: .*string, found None"),
        ({"depto_id": "d1"}, "depto_id: no such field, did you mean depot_id"),
        ({"items": 1.5}, r"items: .*integer, found 1.5"),
        ({"items": True}, r"items: .*integer, found True"),
        ({"at": 1362850200}, r"at: .*datetime, found 1362850200"),
        ({"at": "yesterday"}, "at: expected ISO 8601 text with its zone, found 'yesterday'"),
        ({"at": "2013-03-09T17:30:00"}, "at: expected a time with its zone, found a naive one"),
        ({"at": "1900-01-01T00:00:00Z"}, "at: expected a time from 2000-01-01"),
        ({"at": "2999-01-01T00:00:00Z"}, "at: expected a time from 2000-01-01 to before 2100-01-01, found 2999"),
    ],
)
def test_a_wrong_field_fails_before_sending_and_is_named(outlet: FakeOutlet, changed: dict[str, Any], says: str) -> None:
    producer = connect(outlet)
    with pytest.raises(NotAnEvent, match=says):
        producer.send_dict("AssignmentAccepted", values(**changed))
    assert producer.sent == 0


def test_a_dict_with_times_as_text_is_sent_as_the_event_would_be(outlet: FakeOutlet) -> None:
    producer = connect(outlet)
    event = build(AssignmentAccepted)
    producer.send(event)
    producer.send_dict("AssignmentAccepted", values(at="2013-03-09T12:30:00-05:00", promised_at="2013-03-09T18:30:00Z"))
    assert outlet.waiting[0][:4] == outlet.waiting[1][:4]


def test_an_unknown_name_is_met_with_the_nearest(outlet: FakeOutlet) -> None:
    with pytest.raises(NotAnEvent, match="did you mean AssignmentAccepted"):
        connect(outlet).send_dict("AssignmentAcepted", {})


def test_an_event_built_past_its_checks_is_not_sent(outlet: FakeOutlet) -> None:
    producer = connect(outlet)
    with pytest.raises(NotAnEvent, match="lateness_s"):
        producer.send(build(AssignmentAccepted).model_copy(update={"lateness_s": float("inf")}))
    with pytest.raises(NotAnEvent, match=r"distance_km: .*number, found '12'"):
        producer.send(build(AssignmentAccepted).model_copy(update={"distance_km": "12"}))
    with pytest.raises(NotAnEvent, match=r"at: .*naive"):
        producer.send(build(AssignmentAccepted).model_copy(update={"at": datetime(2013, 1, 1)}))  # noqa: DTZ001
    assert producer.sent == 0


def test_a_topic_is_never_created_by_accident(outlet: FakeOutlet) -> None:
    producer = connect(outlet)
    with pytest.raises(Fault, match=rf"{DELAY_PREDICTED.name} does not exist.*affluent topics create"):
        producer.send(build(DelayPredicted))
    assert producer.sent == 0


def test_a_topic_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(Fault, match="does not exist"):
        connect(FakeOutlet(FakeLog({})))


def test_a_class_that_was_not_announced_is_registered_when_it_is_first_sent(log: FakeLog, outlet: FakeOutlet) -> None:
    registry = FakeRegistry()
    log.partitions["models.versions.v1"] = 1
    with Producer("fake:9092", registry, outlet=outlet, events=[AssignmentAccepted]) as producer:
        assert list(registry.ids) == [f"{TOPIC}-AssignmentAccepted"]
        producer.send(build(ModelVersionChanged))
    assert "models.versions.v1-ModelVersionChanged" in registry.ids
    assert len(log.read("models.versions.v1")) == 1


def test_a_control_record_lies_in_every_partition_between_the_facts(log: FakeLog, outlet: FakeOutlet) -> None:
    control = build(Control)
    depots = [f"d{i}" for i in range(20)]
    with connect(outlet) as producer:
        producer.send_many(many(AssignmentAccepted, 20, depot_id=lambda i: depots[i]))
        producer.send_to_all(control, ASSIGNMENTS)
        producer.send_many(many(DeliveryCompleted, 20, depot_id=lambda i: depots[i]))
        mark = producer.encode(control, ASSIGNMENTS)
    for partition in range(3):
        lying = log.read(TOPIC, partition)
        here = [depot for depot in depots if partition_for(depot.encode(), 3) == partition]
        assert [value for _, value in lying].index(mark) == len(here)
        assert len(lying) == 2 * len(here) + 1


def test_a_control_record_has_no_topic_of_its_own(outlet: FakeOutlet) -> None:
    producer = connect(outlet)
    with pytest.raises(Fault, match="send_to_all"):
        producer.send(build(Control))
    with pytest.raises(Fault, match="does not hold Control"):
        producer.send_to_all(build(Control), DELAY_PREDICTED)


def test_a_full_queue_is_waited_for(log: FakeLog) -> None:
    small = FakeOutlet(log, room=5)
    with connect(small) as producer:
        producer.send_many(many(AssignmentAccepted, 100, depot_id="d1"))
    assert len(log.read(TOPIC, partition_for(b"d1", 3))) == 100


def test_what_was_not_confirmed_is_told_with_its_number_and_the_reason(outlet: FakeOutlet) -> None:
    outlet.refuses = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    producer = connect(outlet)
    producer.send_many(many(AssignmentAccepted, 3))
    with pytest.raises(Undelivered, match=r"3 events.*authorization failed") as found:
        producer.flush()
    assert found.value.count == 3


def test_a_broker_that_is_away_is_told_and_nothing_is_forgotten(log: FakeLog, outlet: FakeOutlet) -> None:
    producer = connect(outlet)
    outlet.away = True
    producer.send_many(many(AssignmentAccepted, 3, depot_id="d1"))
    with pytest.raises(Undelivered, match="fake:9092 gave no confirmation"):
        producer.flush()
    assert producer.pending == 3
    outlet.away = False
    producer.flush()
    assert len(log.read(TOPIC, partition_for(b"d1", 3))) == 3


def test_an_error_inside_the_block_is_not_hidden(outlet: FakeOutlet) -> None:
    outlet.away = True

    def work() -> None:
        with connect(outlet) as producer:
            producer.send(build(AssignmentAccepted))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as found:
        work()
    assert "1 events were not confirmed" in found.value.__notes__[0]
