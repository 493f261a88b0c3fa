"""Does every client of ours speak to Kafka in the same way?"""

import logging
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import kafka
from infra.errors import Fault, Unavailable
from infra.kafka import topics
from infra.kafka.clients import _Sparing
from infra.settings import Kafka
from schemas.event import Topic

JAVA = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
"""Hashes that Kafka's own Java tests expect."""


@pytest.mark.parametrize("key", JAVA)
@pytest.mark.parametrize("count", [1, 3, 12, 1000])
def test_a_key_lies_where_the_java_client_puts_it(key: bytes, count: int) -> None:
    assert kafka.partition_for(key, count) == (JAVA[key] & 0x7FFFFFFF) % count


@given(st.binary(max_size=50), st.integers(1, 1000))
def test_every_key_has_a_partition(key: bytes, count: int) -> None:
    assert 0 <= kafka.partition_for(key, count) < count


def test_without_brokers_we_say_how_to_get_some() -> None:
    with pytest.raises(Fault, match="affluent up"):
        kafka.connection(Kafka())


def test_security_settings_reach_the_client() -> None:
    secure = Kafka(
        brokers="b:9093",
        security="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="scorer",
        sasl_password="secret",
        ca_file="/ca.pem",
    )
    given = kafka.connection(secure)
    assert given["bootstrap.servers"] == "b:9093"
    assert given["security.protocol"] == "SASL_SSL"
    assert given["sasl.mechanism"] == "SCRAM-SHA-512"
    assert (given["sasl.username"], given["sasl.password"]) == ("scorer", "secret")
    assert given["ssl.ca.location"] == "/ca.pem"


def test_an_unset_security_setting_is_left_to_the_client() -> None:
    assert not {"sasl.mechanism", "sasl.username", "ssl.ca.location"} & kafka.connection(Kafka(brokers="b:9092")).keys()


def test_a_broker_that_is_away_is_unavailable_and_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable, match=address):
            kafka.partitions(Kafka(brokers=address), within_s=0.3)


def test_only_topics_with_several_partitions_follow_the_setting() -> None:
    assert topics._wanted(Topic("a.b.v1", key="k"), 3) == 3
    assert topics._wanted(Topic("a.b.v1", key="k"), None) == 12
    assert topics._wanted(Topic("a.b.v1", key="k", partitions=1), 3) == 1


def test_a_topic_keeps_events_by_when_we_heard_of_them() -> None:
    made = topics._new(Topic("a.b.v1", key="k", retention=None, compacted=True), 4, 1)
    assert made.num_partitions == 4
    assert made.config is not None
    assert made.config["retention.ms"] == "-1"
    assert made.config["message.timestamp.type"] == "LogAppendTime"
    assert made.config["cleanup.policy"] == "compact"


def test_a_line_that_librdkafka_repeats_is_said_once_a_minute() -> None:
    line = "FAIL [rdkafka#producer-%d] Connect to ipv4#127.0.0.1:1 failed: Connection refused (after %dms in state CONNECT)"
    record = logging.makeLogRecord({"msg": line, "args": (1, 0), "created": 1_000.0})
    sparing = _Sparing()
    assert sparing.filter(record)
    for later, said in ((1_000.1, False), (1_059.0, False), (1_060.0, True), (1_061.0, False)):
        assert sparing.filter(logging.makeLogRecord({"msg": line, "args": (2, 7), "created": later})) is said
    assert sparing.filter(logging.makeLogRecord({"msg": "another line", "created": 1_061.0}))
