"""Does a bad release end in a worker that stops and loses nothing, and a bad message in an answer after all?"""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from affluent.children import Child
from infra import kafka
from infra.kafka import partition_for
from infra.registry import Registry
from infra.settings import Kafka
from producers.client import Producer
from schemas.catalogue import subject
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted
from schemas.letters import DEAD_LETTERS, DeadLetter
from tests import bad, topics
from tests.builders import build, many
from tests.e2e.conftest import World, settle

GOOD, BAD = 5_000, 3_000
DEPOT = "fuse-depot"


def rows(world: World, query: str, *given: Any) -> list[tuple[Any, ...]]:
    """Return the answer to a query."""
    with psycopg.connect(world.stack.postgres_dsn) as session:
        return session.execute(query, given).fetchall()


def accepted_id(world: World) -> int:
    """Return the schema id of an acceptance."""
    with Registry(world.stack.registry_url) as registry:
        return next(
            iter(registry.register_all({subject(ASSIGNMENTS, AssignmentAccepted): (ASSIGNMENTS, AssignmentAccepted)}).values())
        )


def send(world: World, values: list[bytes], key: str) -> None:
    """Send raw messages under a key."""
    out = kafka.producer(Kafka(brokers=world.stack.brokers))
    for value in values:
        out.produce(ASSIGNMENTS.name, value, key.encode(), partition=partition_for(key.encode(), 12))
    out.flush()


def letters_in_topic(world: World) -> int:
    """Return how many letters lie in their topic; one that is there twice is one."""
    with Registry(world.stack.registry_url) as registry:
        read = topics.read(Kafka(brokers=world.stack.brokers), registry, DEAD_LETTERS)
    return len({event.event_id for batch in read for event in batch.rows() if isinstance(event, DeadLetter)})


@pytest.fixture
def sent(world: World) -> list[dict[str, Any]]:
    """Four bad messages of a depot that became letters; gives what `show` says of each, in order."""
    id_ = accepted_id(world)
    usual = many(
        AssignmentAccepted, 4, event_id=lambda i: f"desk-{i}", assignment_id=lambda i: f"desk-{i}", depot_id="desk-depot",
        source="restaurant",
    )  # fmt: skip
    wrong = [
        bad.frame(usual[0], id_, lateness_s=float("nan")),
        bad.frame(usual[1], id_)[5:],
        b"junk from the desk",
        bad.truncated(usual[3], id_)[1],
    ]
    with world.processes("stream", "sink") as children:
        send(world, wrong, "desk-depot")
        settle(world, list(children.values()))
    found = rows(
        world,
        "SELECT event_id FROM dead_letter WHERE raw_key = %s AND origin_offset < 1000000 ORDER BY origin_offset",
        b"desk-depot",
    )
    return [world.ask("letters", "show", id_) for (id_,) in found]


def test_a_letter_becomes_an_answer_once(world: World, sent: list[dict[str, Any]], tmp_path: Path) -> None:
    not_a_number, unframed, junk, cut = sent
    assert (not_a_number["fault_in"], not_a_number["first_id"], cut["fault_in"]) == ("lateness_s", "desk-0", "distance_km")
    edit = tmp_path / "edit.json"
    edit.write_text(json.dumps(not_a_number["fields"] | {"lateness_s": 0.0}))

    with world.processes("stream", "sink") as children:
        world.run("letters", "redrive", not_a_number["id"], "--edit", str(edit), "--by", "ann")
        world.run("letters", "redrive", unframed["id"], "--schema", "AssignmentAccepted")
        world.run("letters", "redrive", junk["id"])
        world.run("letters", "discard", cut["id"], "--why", "the order was cancelled")
        for _ in range(2):
            assert "is not sent twice" in world.run("letters", "redrive", not_a_number["id"], code=1)
        settle(world, list(children.values()))

    predicted = rows(world, "SELECT assignment_id FROM delay_predicted WHERE depot_id = 'desk-depot' ORDER BY assignment_id")
    assert predicted == [("desk-0",), ("desk-1",)]
    story = world.ask("letters", "show", junk["id"])["history"]
    assert [step["what"] for step in story] == ["kept", "redriven", "came back"]
    back = world.ask("letters", "show", story[2]["letter"])
    assert (back["state"], back["history"][0]["letter"]) == ("open", junk["id"])
    assert rows(world, "SELECT by, how, sent_id FROM letter_redriven WHERE cause = %s", not_a_number["id"]) == [
        ("ann", "edited", "desk-0")
    ]
    assert rows(world, "SELECT why FROM letter_discarded WHERE cause = %s", cut["id"]) == [("the order was cancelled",)]
    world.run("letters", "discard", back["id"], "--why", "a test's")
    listed = world.ask("letters", "list", "--agent", "predict_delay")
    assert sum(cause["came_back"] for cause in listed["causes"]) == 1
    verdict = world.ask("replay", "dispatch", "--verify")
    assert (verdict["mismatches"], verdict["first"]) == (0, None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "nobody"], "no dead letter is called 'nobody'"),
        (["list", "--agent", "nobody"], "no dead letter has agent 'nobody'"),
        (["list", "--since", "soon"], "since: expected a span"),
        (["redrive", "--reason", "nothing", "--yes"], "no dead letter has reason 'nothing'"),
        (["discard", "nobody", "--why", " "], "why: expected 1 to 2,000 bytes"),
    ],
)
def test_what_nobody_can_mean_is_one_line(world: World, words: list[str], said: str) -> None:
    answer = world.run("letters", *words, code=1)

    assert said in answer
    assert len(answer.strip().splitlines()) == 1


def test_a_wrong_edit_is_one_line_and_sends_nothing(world: World, tmp_path: Path) -> None:
    id_ = accepted_id(world)
    event = build(AssignmentAccepted, event_id="wrong-edit", assignment_id="wrong-edit", depot_id="edit-depot")
    with world.processes("stream", "sink") as children:
        send(world, [bad.frame(event, id_, lateness_s=1e9)], "edit-depot")
        settle(world, list(children.values()))
    ((letter,),) = rows(world, "SELECT event_id FROM dead_letter WHERE raw_key = %s", b"edit-depot")
    fields = world.ask("letters", "show", letter)["fields"]
    edit = tmp_path / "edit.json"

    for change, said in (
        (
            {"lateness_s": 0.0, "depot_id": "elsewhere"},
            "AssignmentAccepted.depot_id: expected 'edit-depot', the letter's key, found 'elsewhere'",
        ),
        ({"event_id": "mine"}, "AssignmentAccepted.event_id: expected 'wrong-edit', the letter's first id"),
        ({"lateness_s": "late"}, "AssignmentAccepted.lateness_s: "),
        ({}, "AssignmentAccepted.lateness_s: "),
    ):
        edit.write_text(json.dumps(fields | change))
        answer = world.run("letters", "redrive", letter, "--edit", str(edit), code=1)
        assert said in answer
        assert len(answer.strip().splitlines()) == 1
    edit.write_text("not json")
    assert "edit: expected a JSON object" in world.run("letters", "redrive", letter, "--edit", str(edit), code=1)
    assert world.ask("letters", "show", letter)["state"] == "open"
    world.run("letters", "discard", letter, "--why", "a test's")


def test_a_flood_of_bad_messages_stops_the_worker_and_nothing_is_lost(world: World) -> None:
    before = letters_in_topic(world)
    good = many(
        AssignmentAccepted, 2 * GOOD, event_id=lambda i: f"fuse-{i}", assignment_id=lambda i: f"fuse-{i}", depot_id=DEPOT,
        source="restaurant",
    )  # fmt: skip
    with Producer(Kafka(brokers=world.stack.brokers), Registry(world.stack.registry_url)) as producer:
        producer.send_many(good[:GOOD])
    send(world, [f"junk {i}".encode() for i in range(BAD)], DEPOT)
    with Producer(Kafka(brokers=world.stack.brokers), Registry(world.stack.registry_url)) as producer:
        producer.send_many(good[GOOD:])

    log = world.stack.directory / "logs" / "flooded.log"
    for _ in range(3):  # a supervisor would start it again, and again
        flooded = Child("flooded", ["stream", "dispatch"], log, world.environment).start()
        assert flooded.process is not None
        try:
            assert flooded.process.wait(60) == 1
        finally:
            flooded.stop()
        assert "AFFLUENT_STREAM__LETTERS_IN_A_ROW" in flooded.last_words()
        assert "Nothing of this batch was sent" in flooded.last_words()
        assert letters_in_topic(world) - before < 1_000

    raised = {"AFFLUENT_STREAM__LETTERS_IN_A_ROW": "10000", "AFFLUENT_STREAM__LETTERS_SHARE": "1"}
    worker = Child("raised", ["stream", "dispatch"], log.with_name("raised.log"), world.environment | raised).start()
    try:
        with world.processes("sink") as children:
            settle(world, [worker, *children.values()])
    finally:
        assert worker.stop() == 0
    assert rows(world, "SELECT count(*), count(DISTINCT cause) FROM delay_predicted WHERE depot_id = %s", DEPOT) == [
        (2 * GOOD, 2 * GOOD)
    ]
    assert rows(
        world, "SELECT count(*), count(DISTINCT (origin_partition, origin_offset)) FROM dead_letter WHERE raw_key = %s", DEPOT.encode()
    ) == [(BAD, BAD)]  # fmt: skip
    assert letters_in_topic(world) - before == BAD
    world.run("letters", "discard", "--reason", "not_framed", "--why", "a test's flood", "--yes")
