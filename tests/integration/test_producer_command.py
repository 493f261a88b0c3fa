"""Does `affluent produce` send what it says, at the pace it was told, and fail in one line?"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.kafka import ensure_topics
from infra.registry import Registry
from infra.settings import Kafka
from infra.stack import StackState
from schemas import catalogue
from schemas.dispatch import ASSIGNMENTS
from tests.topics import mark, read

ROOT = Path(__file__).parents[2]


def produce(stack: StackState, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "affluent", "produce", "dispatch", *words],
        cwd=ROOT,
        env={**os.environ, "AFFLUENT_STACK_DIR": str(stack.directory), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_the_command_says_it_sent_lies_in_the_topic(stack: StackState) -> None:
    kafka = Kafka(brokers=stack.brokers)
    ensure_topics(kafka, catalogue.topics().values())
    since = mark(kafka, ASSIGNMENTS)
    answer = produce(stack, "--source", "restaurant", "--until", "2018-01-20", "--json")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    with Registry(stack.registry_url) as registry:
        found = read(kafka, registry, ASSIGNMENTS, since)
    facts = [event for batch in found for event in batch.rows() if event.event_id.startswith("order-")]
    assert len(facts) == told["events"] > 300
    assert told["first"][:10] == "2018-01-01"
    assert told["last"][:10] < "2018-01-20"
    assert not any(batch.letters for batch in found if batch.n == len(facts))


def test_a_rate_is_kept(stack: StackState) -> None:
    answer = produce(stack, "--source", "simulation", "--seed", "91", "--limit", "600", "--rate", "300", "--json")
    told = json.loads(answer.stdout)
    assert told["events"] == 600
    assert told["events_per_s"] <= 300 * 1.01


def test_people_are_told_in_a_sentence(stack: StackState) -> None:
    answer = produce(stack, "--source", "simulation", "--seed", "92", "--limit", "50")
    assert answer.stdout.startswith("sent 50 events of 2019-01-01 to 2019-01-01 and")
    assert answer.stdout.rstrip().endswith("all confirmed")


@pytest.mark.parametrize(
    ("words", "variables", "says"),
    [
        (["--rate", "5", "--speed-up", "3"], {}, "expected one of them, found both"),
        (["--file", "/nowhere/flights.csv"], {}, "/nowhere/flights.csv"),
        (["--source", "simulation", "--file", "x.csv"], {}, "a simulation reads no file"),
        ([], {"AFFLUENT_REGISTRY__URL": "http://127.0.0.1:1"}, "the schema registry at http://127.0.0.1:1 is away"),
        ([], {"AFFLUENT_KAFKA__BROKERS": "127.0.0.1:1"}, "Kafka at 127.0.0.1:1 is away"),
    ],
)
def test_what_cannot_be_done_is_one_line_that_says_why(
    stack: StackState, words: list[str], variables: dict[str, str], says: str
) -> None:
    answer = produce(stack, *words, **variables)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stderr.startswith("affluent: ")
    assert says in answer.stderr
