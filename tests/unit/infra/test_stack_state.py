"""Does the state file say what runs, to us alone, whole or not at all?"""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import Fault
from infra.stack import down, running, state, status, up
from infra.stack.places import Places, need
from infra.stack.processes import Identity, identity
from infra.stack.starting import _recognised
from infra.stack.state import NEEDED, Record

PORTS = {"kafka": 1, "controller": 2, "registry": 3, "registry_management": 4, "postgres": 5, "valkey": 6, "prometheus": 7}
SECRETS = {"postgres": "p", "valkey": "v"}
GONE = Identity(2**22 + 1, "never")


def me() -> Identity:
    found = identity(os.getpid())
    assert found is not None
    return found


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(tmp_path / "stack", tmp_path / "cache")
    found.create()
    return found


def write(places: Places, **fields: object) -> Record:
    record = Record(run="r", ports=dict(PORTS), **fields)  # type: ignore[arg-type]  # a test's shorthand
    state.write(places, record, SECRETS)
    return record


def all_alive() -> dict[str, Identity]:
    return dict.fromkeys(NEEDED, me())


@given(st.sampled_from(["starting", "running", "stopped"]), st.dictionaries(st.sampled_from(NEEDED), st.integers(1, 2**22)))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, status: str, pids: dict[str, int]) -> None:
    places = Places(tmp_path_factory.mktemp("s"), tmp_path_factory.mktemp("c"))
    servers = {name: Identity(pid, f"b-{pid}") for name, pid in pids.items()}
    record = Record("r", status, GONE, None, servers, dict(PORTS), {"prometheus": "absent"})  # type: ignore[arg-type]
    state.write(places, record, SECRETS)
    assert state.read(places) == record


def test_only_we_can_read_it(places: Places) -> None:
    write(places)
    assert places.state.stat().st_mode & 0o777 == 0o600
    assert places.directory.stat().st_mode & 0o777 == 0o700


def test_a_running_stack_gives_its_addresses(places: Places) -> None:
    write(places, status="running", servers=all_alive())
    found = running(places.directory)
    assert found is not None
    assert found.brokers == "127.0.0.1:1"
    assert found.registry_url == "http://127.0.0.1:3/apis/ccompat/v7"
    assert found.postgres_dsn == "postgresql://affluent:p@127.0.0.1:5/affluent"
    assert found.redis_url == "redis://:v@127.0.0.1:6/0"
    assert found.prometheus_url is None
    assert found.directory == places.directory


def test_nothing_runs_where_nothing_was_started(tmp_path: Path) -> None:
    assert running(tmp_path / "none") is None
    assert down(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_a_start_that_is_not_finished_is_not_running(places: Places) -> None:
    write(places, status="starting", servers=all_alive())
    assert running(places.directory) is None


def test_a_machine_that_was_switched_off_left_nothing_running(places: Places) -> None:
    write(places, status="running", servers=dict.fromkeys(NEEDED, GONE))
    assert running(places.directory) is None
    assert not status(places.directory).whole


def test_a_dead_server_is_named(places: Places) -> None:
    write(places, status="running", servers={**all_alive(), "kafka": GONE})
    with pytest.raises(Fault, match=r"kafka of the stack .* died: run `affluent up`"):
        running(places.directory)
    found = {server.name: server.alive for server in status(places.directory).servers}
    assert found == {"postgres": True, "valkey": True, "kafka": False, "registry": True, "prometheus": False}


def test_a_reused_process_number_is_not_our_server(places: Places) -> None:
    write(places, status="running", servers={**all_alive(), "valkey": Identity(os.getpid(), "another birth")})
    with pytest.raises(Fault, match="valkey"):
        running(places.directory)


def test_without_prometheus_the_stack_is_whole(places: Places) -> None:
    write(places, status="running", servers=all_alive(), notes={"prometheus": "not on PATH"})
    found = status(places.directory)
    assert found.whole
    assert [server.note for server in found.servers if not server.alive] == ["not on PATH"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 1}', '{"version": 1, "servers": {"kafka": 3}}', "\x00"])
def test_a_damaged_file_is_a_fault_for_a_look_and_no_obstacle_for_a_stop(places: Places, text: str) -> None:
    places.state.write_text(text)
    with pytest.raises(Fault, match="damaged"):
        status(places.directory)
    assert _recognised(places) == Record()
    assert down(places.directory) == []
    assert status(places.directory).status == "stopped"


def test_a_file_of_another_version_is_not_guessed_at(places: Places) -> None:
    places.state.write_text(json.dumps({"version": 99}))
    with pytest.raises(Fault, match="another version"):
        running(places.directory)


def test_a_stale_record_is_forgotten_but_for_its_ports(places: Places) -> None:
    write(places, status="running", servers=dict.fromkeys(NEEDED, GONE))
    assert _recognised(places) == Record(ports=PORTS)


@pytest.mark.parametrize("text", [None, "{"])
def test_lost_passwords_are_said_before_a_server_is_refused(places: Places, text: str | None) -> None:
    (places.data / "postgres").mkdir()
    if text is not None:
        places.secrets.write_text(text)
    with pytest.raises(Fault, match=r"secrets.json is (lost|damaged).*put it back, or start anew"):
        up(directory=places.directory, cache=places.cache)
    assert status(places.directory).status == "stopped"


def test_a_stop_keeps_data_and_secrets_and_a_wipe_does_not(places: Places) -> None:
    write(places, status="running", servers=dict.fromkeys(NEEDED, GONE))
    places.secrets.write_text("{}")
    (places.data / "kafka").mkdir()
    (places.directory / "mine.txt").write_text("not of the stack")
    down(places.directory)
    assert (places.data / "kafka").exists()
    assert places.secrets.exists()
    down(places.directory, wipe=True)
    assert sorted(left.name for left in places.directory.iterdir()) == ["lock", "mine.txt"]


def test_a_failed_write_leaves_the_file_as_it_was(places: Places) -> None:
    write(places)
    before = places.state.read_text()
    with pytest.raises(UnicodeEncodeError):
        state.private_write(places.state, "\ud800")
    assert places.state.read_text() == before
    assert [file.name for file in places.directory.glob("state*")] == ["state.json"]


@pytest.mark.parametrize("name", ["a,b", "a:b", 'a"b', "a$b", "a*b", "a[b]"])
def test_a_folder_whose_name_servers_misread_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Fault, match="cannot be used"):
        Places(tmp_path / name, tmp_path).create()
    with pytest.raises(Fault, match="cannot be used"):
        Places(tmp_path, tmp_path / name).create()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match=r"cannot write to .*file/stack .*AFFLUENT_STACK_DIR"):
        Places(tmp_path / "file" / "stack", tmp_path).create()


def test_too_little_space_is_said_before_anything_is_begun(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"no space left for .* it needs \d+ MB, \d+ MB are free; .*AFFLUENT_CACHE_DIR"):
        need(tmp_path, 10**18, "AFFLUENT_CACHE_DIR")
