"""Is a dead letter sent again once, whatever happens to the desk, and does the log say what became of it?"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from affluent import letters as desk
from affluent.letter_choice import Filters
from affluent.letter_plan import Plan, World
from infra.errors import Fault, Unavailable
from infra.kafka import ensure_topics, partition_for, producer
from infra.registry import Registry
from infra.settings import Kafka, Settings
from infra.stack import running_stack
from producers.redrive import AT_ONCE, Dispatcher
from schemas import catalogue
from schemas.columns import Columns, encode
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted
from schemas.event import Event
from schemas.letters import DEAD_LETTERS, DeadLetter, LetterDiscarded, LetterRedriven
from schemas.salvage import plain
from tests import bad, topics
from tests.builders import build
from tests.integration.letters_worker import Orders

ROOT = Path(__file__).parents[2]
PARTITIONS = 12


@dataclass
class Scene:
    """A stack of its own, and letters of an agent that no other test has."""

    kafka: Kafka
    registry: Registry
    registry_url: str
    agent: str = field(default_factory=lambda: f"agent-{uuid4().hex[:8]}")
    place: int = field(default_factory=lambda: 10**12 + uuid4().int % 10**12)
    """Offset at the origin of its first message; no two agents read the same, unless a test says so."""

    @property
    def world(self) -> World:
        """What the commands stand on."""
        return World(Settings(kafka=self.kafka), Registry(self.registry_url))

    def schema_id(self, event: type[Event]) -> int:
        """Return the id of a class in its topic."""
        subject = catalogue.subject(event.topic, event)
        return self.registry.register_all({subject: (event.topic, event)})[subject]

    def put(self, values: Sequence[bytes | None], *, key: bytes | None = b"depot_id-1", **given: Any) -> list[DeadLetter]:
        """Put letters about these values into their topic, as an agent would."""
        usual: dict[str, Any] = {"reason": "malformed", "origin_partition": partition_for(key or b"", PARTITIONS)}
        made = [
            build(
                DeadLetter,
                event_id=f"{self.agent}-{given.get('origin_offset', self.place + i)}",
                agent=self.agent,
                origin_topic=ASSIGNMENTS.name,
                raw_key=key,
                raw_value=value,
                **usual | {"origin_offset": self.place + i, "size": -1 if value is None else len(value)} | given,
            )
            for i, value in enumerate(values)
        ]
        out = producer(self.kafka)
        for letter, raw in zip(made, encode(Columns.of(made), self.schema_id(DeadLetter)).raws(), strict=True):
            out.produce(DEAD_LETTERS.name, raw, letter.key.encode())
        out.flush()
        return made

    def facts(self) -> list[tuple[int, bytes | None, bytes | None]]:
        """Return everything in the origin topic: partition, key, value."""
        found = []
        for number, batch in enumerate(topics.read(self.kafka, self.registry, ASSIGNMENTS)):
            found += [
                (number, key, value) for key, value in zip(batch.keys.raws(), batch.records.values.raws(), strict=True)
            ]  # fmt: skip
        return found

    def sent(self) -> list[bytes]:
        """Return the values in the origin topic that carry the agent's name."""
        return [value for _, _, value in self.facts() if value and self.agent.encode() in value]

    def notes(self) -> list[LetterRedriven | LetterDiscarded]:
        """Return what the log says became of the agent's letters."""
        rows = [event for batch in topics.read(self.kafka, self.registry, DEAD_LETTERS) for event in batch.rows()]
        return [
            event for event in rows if isinstance(event, LetterRedriven | LetterDiscarded) and event.cause.startswith(self.agent)
        ]  # fmt: skip

    def dispatcher(self) -> Dispatcher:
        """Return a desk that may write."""
        return Dispatcher(self.kafka, self.registry, by="tests", now=lambda: datetime.now(UTC))

    def run(self, dies_at: str = "", after: int = 0) -> int:
        """Run the process that sends all, and return how it ended."""
        orders = Orders(self.kafka.brokers, self.registry_url, self.agent, dies_at, after)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(orders.command(), cwd=ROOT, env=environment, check=False).returncode


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kafka, Registry, str]]:
    """A stack of our own: every test of this module reads all letters there are."""
    with running_stack(directory=tmp_path_factory.mktemp("letters") / "stack") as stack, Registry(stack.registry_url) as registry:
        settings = Kafka(brokers=stack.brokers)
        ensure_topics(settings, catalogue.topics().values())
        yield settings, registry, stack.registry_url


@pytest.fixture
def scene(servers: tuple[Kafka, Registry, str], monkeypatch: pytest.MonkeyPatch) -> Scene:
    kafka, registry, url = servers
    monkeypatch.setattr(desk, "_world", lambda: World(Settings(kafka=kafka), Registry(url)))
    return Scene(kafka, registry, url)


@pytest.mark.parametrize("point", ["begun", "sent", "noted", "committed"])
def test_a_desk_that_dies_anywhere_and_runs_again_sends_every_letter_once(scene: Scene, point: str) -> None:
    scene.put([f"junk-{scene.agent}-{i}".encode() for i in range(AT_ONCE + 50)])

    assert scene.run(dies_at=point, after=1 if point == "begun" else 0) == -signal.SIGKILL
    assert scene.run() == 0
    assert scene.run() == 0

    assert sorted(scene.sent()) == sorted(f"junk-{scene.agent}-{i}".encode() for i in range(AT_ONCE + 50))
    notes = scene.notes()
    assert len({note.cause for note in notes}) == len(notes) == AT_ONCE + 50


def test_the_note_says_where_the_message_lies_now(scene: Scene) -> None:
    (letter,) = scene.put([f"junk-{scene.agent}".encode()], key=b"some depot")
    assert desk.redrive(letter.event_id, Filters(), by="ann") == 0

    (note,) = scene.notes()
    assert isinstance(note, LetterRedriven)
    assert (note.how, note.by, note.sent_id, note.origin_topic) == ("unchanged", "ann", "", ASSIGNMENTS.name)
    batch = topics.read(scene.kafka, scene.registry, ASSIGNMENTS)[note.sent_partition]
    row = batch.offsets.tolist().index(note.sent_offset)
    assert (batch.keys[row], batch.records.values.raw(row)) == ("some depot", letter.raw_value)
    assert note.sent_partition == partition_for(b"some depot", PARTITIONS)


def test_what_comes_back_is_linked_and_can_be_sent_again(scene: Scene) -> None:
    (first,) = scene.put([f"junk-{scene.agent}".encode()])
    desk.redrive(first.event_id, Filters())
    note = scene.notes()[0]
    assert isinstance(note, LetterRedriven)
    (second,) = scene.put([first.raw_value], origin_partition=note.sent_partition, origin_offset=note.sent_offset)

    found = scene.world.desk.read()

    assert found.came_from(found.entries[second.event_id]) == found.entries[first.event_id]
    with pytest.raises(Fault, match=f"came back as letter {second.event_id}: send that one"):
        desk.redrive(first.event_id, Filters())
    assert desk.redrive(second.event_id, Filters()) == 0
    assert len(scene.sent()) == 2


def test_an_edited_letter_is_an_event_under_its_first_id_even_if_it_came_back_before(scene: Scene, tmp_path: Path) -> None:
    (first,) = scene.put([f"junk-{scene.agent}".encode()])
    desk.redrive(first.event_id, Filters())
    note = scene.notes()[0]
    assert isinstance(note, LetterRedriven)
    (second,) = scene.put([first.raw_value], origin_partition=note.sent_partition, origin_offset=note.sent_offset)
    usual = build(AssignmentAccepted, assignment_id=scene.agent)
    file = tmp_path / "edit.json"
    file.write_text(json.dumps({name: plain(value) for name, value in usual.__dict__.items() if name != "event_id"}))

    assert desk.redrive(second.event_id, Filters(), edit=file, schema="AssignmentAccepted") == 0

    accepted = [
        event
        for batch in topics.read(scene.kafka, scene.registry, ASSIGNMENTS)
        for event in batch.rows()
        if isinstance(event, AssignmentAccepted) and event.assignment_id == scene.agent
    ]  # fmt: skip
    from producers.redrive import derived_id

    assert [event.event_id for event in accepted] == [derived_id(first.event_id)]


def test_a_group_is_read_anew_as_an_event_and_what_is_none_stays_open(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    id_ = scene.schema_id(AssignmentAccepted)
    events = [build(AssignmentAccepted, event_id=f"{scene.agent}-{i}") for i in range(3)]
    put = scene.put([*(bad.frame(event, id_)[5:] for event in events), b"junk"], reason="not_framed")

    code = desk.redrive(None, Filters(agent=scene.agent), schema="AssignmentAccepted", yes=True, json=True)

    answer = json.loads(capsys.readouterr().out)
    assert code == 1
    assert [row["event_id"] for row in answer["sent"]] == [event.event_id for event in events]
    assert [row["letter"] for row in answer["cannot"]] == [put[3].event_id]
    assert scene.sent() == [bad.frame(event, id_) for event in events]
    found = scene.world.desk.read()
    assert found.state(found.entries[put[3].event_id]) == "open"


def test_a_message_that_two_agents_could_not_use_is_sent_once(scene: Scene) -> None:
    value = f"junk-{scene.agent}".encode()
    scene.put([value])
    other = Scene(scene.kafka, scene.registry, scene.registry_url, place=scene.place)
    other.put([value])

    assert desk.redrive(None, Filters(agent=scene.agent), yes=True) == 0
    with pytest.raises(Fault, match="all of them were sent again or discarded"):
        desk.redrive(None, Filters(agent=other.agent), yes=True)
    assert scene.sent() == [value]


def test_who_begins_later_shuts_out_who_began_before(scene: Scene) -> None:
    put = scene.put([f"junk-{scene.agent}".encode()])
    with scene.world as world:
        letters = world.desk.read()
        mine = [letters.entries[each.event_id] for each in put]
        slow = scene.dispatcher()
        fast = scene.dispatcher()
        assert len(fast.send(Plan(world, None, None).resends(letters, mine))) == 1
        with pytest.raises(Fault, match="another `affluent letters` began meanwhile"):
            slow.send(Plan(world, None, None).resends(letters, mine))

    assert len(scene.sent()) == len(scene.notes()) == 1


def test_a_discarded_letter_leaves_the_open_ones_and_is_sent_only_if_it_is_named(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    put = scene.put([f"junk-{scene.agent}-{i}".encode() for i in range(2)])
    assert desk.discard(put[0].event_id, Filters(), why="a test", by="bob") == 0
    capsys.readouterr()

    desk.list_letters(Filters(agent=scene.agent), json=True)
    (cause,) = json.loads(capsys.readouterr().out)["causes"]
    assert (cause["open"], cause["discarded"], cause["sample"]) == (1, 1, put[1].event_id)
    with pytest.raises(Fault, match=r"was discarded .* by bob: a test"):
        desk.discard(put[0].event_id, Filters(), why="again")
    assert desk.redrive(None, Filters(agent=scene.agent), yes=True) == 0
    assert scene.sent() == [put[1].raw_value]
    assert desk.redrive(put[0].event_id, Filters()) == 0
    assert len(scene.sent()) == 2


def test_a_dry_run_sends_nothing_and_says_what_would_come_back(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    good = build(AssignmentAccepted, event_id=scene.agent)
    put = scene.put([bad.frame(good, scene.schema_id(AssignmentAccepted)), b"junk", bytes(100)], size=100)

    code = desk.redrive(None, Filters(agent=scene.agent), dry_run=True, json=True)

    answer = json.loads(capsys.readouterr().out)
    assert code == 1
    assert [(row["letter"], row["event_id"]) for row in answer["would_send"]] == [
        (put[0].event_id, scene.agent),
        (put[2].event_id, ""),
    ]
    assert [row["refused_now"] is None for row in answer["would_send"]] == [True, False]
    assert [row["letter"] for row in answer["cannot"]] == [put[1].event_id]
    assert (scene.sent(), scene.notes()) == ([], [])


def test_an_agent_of_ours_reads_what_was_sent_again_and_nothing_of_a_desk_that_died(scene: Scene) -> None:
    event = build(AssignmentAccepted, event_id=scene.agent)
    scene.put([bad.frame(event, scene.schema_id(AssignmentAccepted))])

    assert scene.run(dies_at="noted") == -signal.SIGKILL
    assert scene.run() == 0

    seen = [
        e for batch in topics.read(scene.kafka, scene.registry, ASSIGNMENTS) for e in batch.rows() if e.event_id == scene.agent
    ]
    assert seen == [event]


def test_a_group_is_not_touched_without_a_yes(scene: Scene) -> None:
    scene.put([f"junk-{scene.agent}".encode()])

    with pytest.raises(Fault, match="Nobody is there to ask: say --yes"):
        desk.redrive(None, Filters(agent=scene.agent))
    with pytest.raises(Fault, match="Nobody is there to ask: say --yes"):
        desk.discard(None, Filters(agent=scene.agent), why="a test")
    assert (scene.sent(), scene.notes()) == ([], [])


def test_a_kafka_that_is_away_is_said_to_be_away() -> None:
    with pytest.raises(Unavailable, match=r"Kafka at 127\.0\.0\.1:1 is away"):
        World(Settings(kafka=Kafka(brokers="127.0.0.1:1")), Registry("http://127.0.0.1:1")).desk.read()
