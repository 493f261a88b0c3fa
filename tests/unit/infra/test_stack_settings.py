"""Are the servers told what the design wants, at ports that are free?"""

import json
import os
import re
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import Fault
from infra.stack import kafka, ports, prometheus
from infra.stack.server import reason
from infra.stack.targets import announce, withdraw


def broker() -> dict[str, str]:
    lines = kafka.properties(port=9092, controller=9093, logs=Path("/data/kafka")).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_records_are_never_deleted_by_default_and_topics_never_made_by_accident() -> None:
    assert broker()["log.retention.ms"] == "-1"
    assert broker()["auto.create.topics.enable"] == "false"
    assert not any(name.startswith("log.message.timestamp") for name in broker())  # each topic says it


def test_a_killed_consumer_is_missed_after_ten_seconds_by_either_protocol() -> None:
    known = broker()
    assert known["group.consumer.session.timeout.ms"] == "10000"
    assert int(known["group.consumer.min.session.timeout.ms"]) <= 10_000
    assert int(known["group.min.session.timeout.ms"]) <= 10_000
    assert known["group.initial.rebalance.delay.ms"] == "0"


def test_the_broker_listens_on_the_loopback_address_only() -> None:
    assert set(re.findall(r"//([\d.]+):", broker()["listeners"])) == {"127.0.0.1"}


def read_by_java(text: str) -> str:
    return (
        re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text).encode("utf-16", "surrogatepass").decode("utf-16")
    )


@given(st.text(st.characters(codec="utf-8", exclude_characters="\\")))
def test_any_folder_is_read_by_java_as_we_wrote_it(name: str) -> None:
    escaped = kafka._escaped(name)
    assert escaped.isascii()
    assert "\n" not in escaped
    assert read_by_java(escaped) == name


def test_prometheus_asks_our_processes_the_registry_and_itself() -> None:
    text = prometheus.configuration(targets="/s/targets", registry="127.0.0.1:1", prometheus="127.0.0.1:2")
    assert '"/s/targets/*.json"' in text
    assert '["127.0.0.1:1"]' in text
    assert "$" not in text.split("global:")[1]


def test_ports_are_free_and_different() -> None:
    names = [f"p{n}" for n in range(50)]
    chosen = ports.choose(names, fixed={}, before={})
    assert len(set(chosen.values())) == 50
    assert all(ports.is_free(port) for port in chosen.values())


def test_ports_stay_the_same_while_they_are_free() -> None:
    first = ports.choose(["a", "b"], fixed={}, before={})
    assert ports.choose(["a", "b"], fixed={}, before=first) == first


def test_a_port_that_was_taken_meanwhile_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        assert ports.choose(["a"], fixed={}, before={"a": taken})["a"] != taken


def test_a_port_that_was_asked_for_and_is_taken_is_a_fault_that_names_the_taker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(Fault, match=rf"port {taken}, asked for kafka, is in use by .*process {os.getpid()}\): free it"):
            ports.choose(["kafka"], fixed={"kafka": taken}, before={})


def test_two_servers_cannot_ask_for_one_port() -> None:
    free = ports.choose(["a"], fixed={}, before={})["a"]
    with pytest.raises(Fault, match=f"port {free} is asked for twice"):
        ports.choose(["a", "b"], fixed={"a": free, "b": free}, before={})


def test_a_process_announces_and_withdraws_itself(tmp_path: Path) -> None:
    file = announce(tmp_path, "stream-dispatch", 9000)
    assert json.loads(file.read_text()) == [{"targets": ["127.0.0.1:9000"], "labels": {"job": "stream-dispatch"}}]
    withdraw(tmp_path, "stream-dispatch", 9000)
    assert list((tmp_path / "targets").iterdir()) == []


def test_the_announcements_of_killed_processes_go(tmp_path: Path) -> None:
    mine = announce(tmp_path, "sink", 9001)
    killed = mine.with_name(f"sink-{2**22 + 1}-9002.json")
    killed.write_text("[]")
    own = mine.with_name("by-hand.json")
    own.write_text("[]")
    also = announce(tmp_path, "sink", 9003)
    assert sorted((tmp_path / "targets").iterdir()) == sorted([mine, own, also])


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("INFO up\nERROR bad key\nINFO bye", "ERROR bad key"),
        ("2026 FATAL:  could not\nERROR later", "2026 FATAL:  could not"),
        ("java.io.IOException: No space left on device", "no space left on the disk: free some"),
        ("just this", "just this"),
        ("", "it said nothing"),
    ],
)
def test_the_reason_of_an_end_is_one_line_of_the_log(log: str, why: str) -> None:
    assert reason(log) == why
