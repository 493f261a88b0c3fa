"""Are servers written down before they begin, recognised later, and ended for certain?"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stack import keeper, processes
from infra.stack.processes import Command, Identity, environment, identity, spawn, stop, wait

SLEEP = ("sleep", "60")
STUBBORN = ("sh", "-c", 'trap "" TERM; echo deaf; while :; do sleep 1; done')


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[list[Identity]]:
    begun: list[Identity] = []
    yield begun
    stop({str(who.pid): who for who in begun}, {}, patience_s=0)


def started(begun: list[Identity], tmp_path: Path, argv: tuple[str, ...], **env: str) -> Identity:
    return spawn(Command(argv, cwd=tmp_path, env=environment(tmp_path, env)), tmp_path / f"{len(begun)}.log", begun.append)


def test_a_server_is_written_down_before_its_program_begins(tmp_path: Path, begin: list[Identity]) -> None:
    mark = tmp_path / "mark"

    def record(who: Identity) -> None:
        begin.append(who)
        assert who.alive
        assert not mark.exists()

    who = spawn(Command(("touch", str(mark)), cwd=tmp_path, env=environment(tmp_path)), tmp_path / "log", record)
    assert wait({"touch": who}, 10) == []
    assert mark.exists()


def test_a_server_that_could_not_be_written_down_never_begins(tmp_path: Path) -> None:
    mark, seen = tmp_path / "mark", []

    def record(who: Identity) -> None:
        seen.append(who)
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        spawn(Command(("touch", str(mark)), cwd=tmp_path, env=environment(tmp_path)), tmp_path / "log", record)
    assert wait({"touch": seen[0]}, 10) == []
    assert not mark.exists()


def test_a_later_process_with_the_same_number_is_not_mistaken_for_ours(tmp_path: Path, begin: list[Identity]) -> None:
    who = started(begin, tmp_path, SLEEP)
    earlier = Identity(who.pid, "another birth")
    assert who.alive
    assert not earlier.alive
    stop({"sleep": earlier}, {})
    assert who.alive


def test_a_zombie_is_gone(tmp_path: Path) -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, nobody has reaped it
    assert identity(child.pid) is None
    child.wait()


def test_a_process_that_will_not_end_is_forced(tmp_path: Path, begin: list[Identity]) -> None:
    who = started(begin, tmp_path, STUBBORN)
    while "deaf" not in (tmp_path / "0.log").read_text():
        assert who.alive
    assert stop({"stubborn": who}, {}, patience_s=0.1) == ["stubborn"]
    assert not who.alive


def test_each_server_is_ended_by_the_signal_it_wants(tmp_path: Path, begin: list[Identity]) -> None:
    who = started(begin, tmp_path, ("sh", "-c", 'trap "echo asked; exit" INT; echo on; while :; do sleep 0.05; done'))
    while "on" not in (log := tmp_path / "0.log").read_text():
        assert who.alive
    assert stop({"postgres stray 5": who}, {"postgres": signal.SIGINT}) == []
    assert "asked" in log.read_text()


def test_stopping_what_is_gone_is_no_error(tmp_path: Path, begin: list[Identity]) -> None:
    who = started(begin, tmp_path, ("true",))
    assert wait({"true": who}, 10) == []
    assert stop({"true": who}, {}) == []


def test_a_server_inherits_nothing_from_our_environment(
    tmp_path: Path, begin: list[Identity], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1m")
    who = started(begin, tmp_path, ("env",), EXTRA="1")
    wait({"env": who}, 10)
    said = (tmp_path / "0.log").read_text()
    assert "EXTRA=1" in said
    assert "JAVA_TOOL_OPTIONS" not in said


def test_the_log_of_the_start_before_is_kept(tmp_path: Path, begin: list[Identity]) -> None:
    log = tmp_path / "server.log"
    for word in ("first", "second"):
        who = spawn(Command(("echo", word), cwd=tmp_path, env=environment(tmp_path)), log, begin.append)
        wait({"echo": who}, 10)
    assert (log.read_text(), log.with_suffix(".log.1").read_text()) == ("second\n", "first\n")
    assert log.stat().st_mode & 0o777 == 0o600


def test_processes_are_found_by_what_their_environment_says(tmp_path: Path, begin: list[Identity]) -> None:
    mine = started(begin, tmp_path, SLEEP, STACK_TEST=str(tmp_path), NAME="one")
    started(begin, tmp_path, SLEEP, STACK_TEST="another")
    while not (found := processes.having(STACK_TEST=str(tmp_path))):
        assert mine.alive  # its program is about to begin
    assert {pid: environ["NAME"] for pid, environ in found.items()} == {mine.pid: "one"}


def test_the_keeper_wakes_when_its_guardian_ends(tmp_path: Path, begin: list[Identity]) -> None:
    guardian = started(begin, tmp_path, SLEEP)
    keeping = [
        sys.executable,
        "-c",
        f"from infra.stack.keeper import *; wait_for_end(Identity({guardian.pid}, {guardian.born!r}))",
    ]
    keeps = subprocess.Popen(keeping, cwd=keeper.ROOT)
    stop({"guardian": guardian}, {})
    assert keeps.wait(30) == 0


def test_the_keeper_of_a_process_long_gone_does_not_wait() -> None:
    keeper.wait_for_end(Identity(os.getpid(), "another birth"))
    keeper.wait_for_end(Identity(2**22 + 1, "never"))
