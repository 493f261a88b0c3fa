"""Do servers start together, and is nothing left when one that is needed cannot?"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from infra.errors import Fault
from infra.stack import ports, processes
from infra.stack.launch import Launch
from infra.stack.places import Places
from infra.stack.processes import Command
from infra.stack.progress import Quiet
from infra.stack.server import Absent, Server, Site
from infra.stack.state import Record

SERVES = 'echo "$0 serves"; exec sleep 60'
TAKEN = 'test "$1" = "$2" && { echo "bind: Address already in use"; exit 1; }; ' + SERVES


@dataclass
class Stage:
    """A launch of pretended servers: shell scripts that serve once they say so in their log."""

    site: Site
    record: Record
    fixed: dict[str, int] = field(default_factory=dict)
    saved: list[set[str]] = field(default_factory=list)

    def server(self, name: str, script: str = SERVES) -> Server:
        def prepare(site: Site) -> Command:
            argv = ["sh", "-c", script, name, str(site.ports.get(name, 0)), "1"]
            return Command(argv, cwd=site.places.run, env=site.environment(name))

        def serves(site: Site) -> bool:
            log = site.places.log(name)
            return log.exists() and f"{name} serves" in log.read_text()

        return Server(name, (name,), prepare, serves)

    def run(self, *servers: Server, patience_s: float = 30.0) -> None:
        def save() -> None:
            self.saved.append(set(self.record.servers))

        Launch(self.site, self.record, servers, self.fixed, patience_s, save).run()

    def alive(self) -> set[str]:
        return {
            environ["AFFLUENT_SERVER"] for environ in processes.having(AFFLUENT_STACK_OF=str(self.site.places.directory)).values()
        }


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    places = Places(tmp_path / "stack", tmp_path / "cache")
    places.create()
    record = Record()
    found = Stage(Site(places, record.ports, {}, Quiet()), record)
    yield found
    processes.stop(record.servers, {}, patience_s=0)


def test_all_are_started_and_each_is_written_down(stage: Stage) -> None:
    stage.run(stage.server("a"), stage.server("b"))
    assert stage.alive() == {"a", "b"} == set(stage.record.servers)
    assert stage.saved[-1] == {"a", "b"}


def test_one_that_leans_on_another_waits_for_it_but_not_with_its_downloads(stage: Stage) -> None:
    order: list[str] = []
    fetched = threading.Event()

    def slow(site: Site) -> bool:
        fetched.wait(30)  # the other's download must not wait for us, or this would be for nothing
        order.append("a serves")
        return True

    def fetch(site: Site) -> None:
        order.append("b fetches")
        fetched.set()

    def prepare(site: Site) -> Command:
        order.append("b prepares")
        return second.prepare(site)

    second = stage.server("b")
    stage.run(replace(stage.server("a"), serves=slow), replace(second, obtain=fetch, prepare=prepare, after=("a",)))
    assert order == ["b fetches", "a serves", "b prepares"]


def test_when_one_cannot_start_none_is_left_and_its_own_words_say_why(stage: Stage) -> None:
    broken = stage.server("b", "echo FATAL: no such thing; exit 3")
    with pytest.raises(Fault, match=r"b ended at its start: FATAL: no such thing; see .*b\.log"):
        stage.run(stage.server("a"), broken)
    assert stage.alive() == set()
    assert stage.record.servers == {}


def test_one_that_never_answers_is_given_up(stage: Stage) -> None:
    with pytest.raises(Fault, match="b does not answer after 0 s"):
        stage.run(stage.server("a"), stage.server("b", "exec sleep 60"), patience_s=0.3)
    assert stage.alive() == set()


def test_a_bug_of_ours_rises_and_leaves_nothing(stage: Stage) -> None:
    def bug(site: Site) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage.run(stage.server("a"), replace(stage.server("b"), obtain=bug))
    assert stage.alive() == set()


def test_what_is_not_needed_is_noted_when_absent(stage: Stage) -> None:
    def cannot(site: Site) -> None:
        raise Absent("not on PATH")

    broken = replace(stage.server("c", "echo ERROR bad; exit 1"), needed=False)
    stage.run(stage.server("a"), replace(stage.server("b"), obtain=cannot, needed=False), broken)
    assert stage.alive() == {"a"} == set(stage.record.servers)
    assert stage.record.notes["b"] == "not on PATH"
    assert stage.record.notes["c"].startswith("c ended at its start: ERROR bad")


def test_a_port_that_was_taken_in_between_is_changed(stage: Stage) -> None:
    stage.record.ports["a"] = 1  # the script finds port 1 taken
    stage.run(stage.server("a", TAKEN))
    assert stage.record.ports["a"] != 1
    assert ports.is_free(stage.record.ports["a"])


def test_a_port_that_was_asked_for_is_not_changed(stage: Stage) -> None:
    stage.record.ports["a"] = stage.fixed["a"] = 1
    with pytest.raises(Fault, match="Address already in use"):
        stage.run(stage.server("a", TAKEN))
    assert stage.record.ports["a"] == 1


def test_one_whose_state_cannot_be_written_is_not_begun(stage: Stage) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        Launch(stage.site, stage.record, [stage.server("a")], {}, 30.0, full).run()
    assert stage.alive() == set()
    assert not stage.site.places.log("a").read_text()
