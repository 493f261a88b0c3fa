"""Does a promoted version reach every partition of a real facts topic, once and in order, from one relay to the next?"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from affluent.relay import once, relaying
from infra.kafka import ensure_topics
from infra.registry import Registry
from infra.settings import Kafka, SchemaRegistry, Settings
from infra.stack import StackState
from producers.client import Producer
from producers.models import announce
from schemas import catalogue
from schemas.control import MODEL_VERSIONS, Control, ModelVersionChanged, Stage
from schemas.dispatch import ASSIGNMENTS
from streams.relay import relay_once
from tests.builders import USUAL_AT
from tests.topics import Mark, mark, read

ROOT = Path(__file__).parents[2]


class Scene:
    """The shared stack, seen by tests of the relay: each names a model of its own."""

    def __init__(self, stack: StackState, registry: Registry) -> None:
        self.kafka = Kafka(brokers=stack.brokers)
        self.registry = registry
        self.settings = Settings(kafka=self.kafka, registry=SchemaRegistry(url=stack.registry_url))
        self.stack = stack
        ensure_topics(self.kafka, catalogue.topics().values())

    def announce(self, model: str, stages: list[Stage]) -> list[ModelVersionChanged]:
        with Producer(self.kafka, self.registry, events=[ModelVersionChanged]) as producer:
            return [
                announce(producer, model=model, version=f"v{n}", sha256=f"sha{n}", stage=stage, at=USUAL_AT + timedelta(hours=n))
                for n, stage in enumerate(stages)
            ]

    def copies(self, since: Mark, model: str) -> list[list[Control]]:
        batches = read(self.kafka, self.registry, ASSIGNMENTS, since)
        return [[one for one in batch.of(Control).rows() if one.name == model] for batch in batches]


@pytest.fixture(scope="module")
def scene(stack: StackState) -> Iterator[Scene]:
    with Registry(stack.registry_url) as registry:
        yield Scene(stack, registry)


def test_what_was_promoted_lies_in_every_partition_in_order(scene: Scene) -> None:
    since = mark(scene.kafka, ASSIGNMENTS)
    scene.announce("relay.order", ["trained", "promoted", "promoted", "rolled_back", "promoted"])
    once(scene.settings, "dispatch")
    found = scene.copies(since, "relay.order")
    assert len(found) == 12
    assert [[one.value for one in copies] for copies in found] == [["sha1", "sha2", "sha4"]] * 12
    assert all([one.number for one in copies] == sorted({one.number for one in copies}) for copies in found)
    assert all(one.at == USUAL_AT + timedelta(hours=int(one.value[-1])) for copies in found for one in copies)


def test_the_next_relay_goes_on_where_the_last_one_stopped(scene: Scene) -> None:
    scene.announce("relay.twice", ["promoted"])
    first = once(scene.settings, "dispatch")
    since = mark(scene.kafka, ASSIGNMENTS)
    assert once(scene.settings, "dispatch") == first
    assert scene.copies(since, "relay.twice") == [[]] * 12
    once(scene.settings, "dispatch", from_start=True)
    again = scene.copies(since, "relay.twice")
    assert [len(copies) for copies in again] == [1] * 12


def test_a_relay_that_dies_before_it_kept_its_position_copies_again_what_agents_will_ignore(scene: Scene) -> None:
    since = mark(scene.kafka, ASSIGNMENTS)
    scene.announce("relay.crash", ["promoted", "promoted"])

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with relaying(scene.settings, "dispatch", copied=die) as dying, pytest.raises(KeyboardInterrupt):
        relay_once(dying, clock=time.monotonic)
    once(scene.settings, "dispatch")
    for copies in scene.copies(since, "relay.crash"):
        assert list(dict.fromkeys(one.value for one in copies)) == ["sha0", "sha1"]
        assert len({one.event_id for one in copies}) == 2


def test_the_number_of_a_copy_is_its_place_in_the_topic_of_versions(scene: Scene) -> None:
    since, before = mark(scene.kafka, ASSIGNMENTS), mark(scene.kafka, MODEL_VERSIONS)
    scene.announce("relay.number", ["promoted"])
    once(scene.settings, "dispatch")
    (versions,) = read(scene.kafka, scene.registry, MODEL_VERSIONS, before)
    (place,) = [
        int(versions.offsets[i])
        for i, change in enumerate(versions.rows())
        if isinstance(change, ModelVersionChanged) and change.model == "relay.number"
    ]
    assert {one.number for copies in scene.copies(since, "relay.number") for one in copies} == {place + 1}


def test_the_command_copies_while_it_runs_and_ends_cleanly_when_told(scene: Scene) -> None:
    variables = {
        "AFFLUENT_KAFKA__BROKERS": scene.stack.brokers,
        "AFFLUENT_REGISTRY__URL": scene.stack.registry_url,
        "AFFLUENT_STACK_DIR": str(scene.stack.directory),
        "AFFLUENT_LOG__FORMAT": "json",
    }
    since = mark(scene.kafka, ASSIGNMENTS)
    command = [sys.executable, "-m", "affluent", "relay", "dispatch", "--clock"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        started = json.loads(process.stderr.readline())
        assert started["event"] == "relay started"
        scene.announce("relay.command", ["promoted"])
        while not all(scene.copies(since, "relay.command")) or not all(scene.copies(since, "hour")):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(30) == 0
    assert "relay stopped" in rest
    assert "Traceback" not in rest
    hours = scene.copies(since, "hour")
    assert all(len(copies) >= 1 and copies[0].series == "hours" for copies in hours)
    assert all(one.at.minute == one.at.second == 0 for copies in hours for one in copies)


def test_up_to_now_the_command_answers_how_far_it_came(scene: Scene) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "affluent", "relay", "dispatch", "--until-now", "--json"],
        cwd=ROOT,
        env={**os.environ, "AFFLUENT_STACK_DIR": str(scene.stack.directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["copied_up_to"] >= 0
