"""Do the real servers come up, stay, and go, whatever is done to them?"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from infra.errors import Fault
from infra.stack import Quiet, down, ports, postgres, processes, running, running_stack, status, up
from infra.stack.launch import Launch
from infra.stack.places import Places, default_cache
from infra.stack.processes import having
from infra.stack.server import STACK, Site
from infra.stack.state import Record
from tests.integration.stack_scene import ask, create, eventually, first, produce

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, threading
from pathlib import Path
from infra.stack import running_stack
with running_stack(directory=Path(sys.argv[1])) as stack:
    print("up", flush=True)
    threading.Event().wait()
"""
DETACH = """
import sys
from pathlib import Path
from infra.stack import up
class Tell:
    def fetch(self, *_): ...
    def step(self, *what): print(*what, flush=True)
up(Tell(), directory=Path(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "stack"
    down(tmp_path / "stack", wipe=True)


def script(text: str, *arguments: object) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def left(folder: Path) -> list[str]:
    """The names of the processes of a stack, by what they say themselves."""
    return [psutil.Process(pid).name() for pid in having(**{STACK: str(folder)})]


def test_topics_tables_and_schemas_outlive_a_stop_and_not_a_wipe(folder: Path) -> None:
    stack = up(directory=folder)
    create(stack, "stack.kept.v1")
    produce(stack, "stack.kept.v1", b"kept")
    ask(f"{stack.registry_url}/subjects/kept/versions", {"schema": '"string"'})
    redis.from_url(stack.redis_url).set("kept", 7)
    with psycopg.connect(stack.postgres_dsn) as connection:
        connection.execute("create table kept as select 7 as n")
    assert set(down(folder)) >= {"kafka", "registry", "postgres", "valkey"}
    assert left(folder) == []
    assert running(folder) is None

    stack = up(directory=folder)
    assert first(stack, "stack.kept.v1")[0] == b"kept"
    assert ask(f"{stack.registry_url}/subjects/kept/versions/1")["id"] == 1
    assert redis.from_url(stack.redis_url).get("kept") == b"7"
    with psycopg.connect(stack.postgres_dsn) as connection:
        assert connection.execute("select n from kept").fetchone() == (7,)

    down(folder, wipe=True)
    assert [file.name for file in folder.iterdir()] == ["lock"]


def test_what_was_confirmed_is_there_after_the_broker_and_the_database_were_killed(folder: Path) -> None:
    stack = up(directory=folder)
    create(stack, "stack.confirmed.v1")
    produce(stack, "stack.confirmed.v1", b"confirmed")
    ask(f"{stack.registry_url}/subjects/x/versions", {"schema": '"string"'})
    for server in status(folder).servers:
        if server.name in {"kafka", "postgres"}:
            os.kill(server.pid or 0, signal.SIGKILL)
    eventually(lambda: not status(folder).whole)
    stack = up(directory=folder)
    assert first(stack, "stack.confirmed.v1")[0] == b"confirmed"
    assert ask(f"{stack.registry_url}/subjects/x/versions/1")["schema"] == '"string"'  # by a registry that started again too


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_nothing_is_left_when_the_one_who_holds_the_stack_ends(folder: Path, number: int, code: int) -> None:
    with script(HOLD, folder) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        holder.send_signal(number)
        assert holder.wait(60) == code
    eventually(lambda: left(folder) == [])
    eventually(lambda: status(folder).status == "stopped")


def test_nothing_is_left_of_a_start_that_is_killed_half_way_and_the_next_one_works(folder: Path) -> None:
    with script(DETACH, folder) as starter:
        assert starter.stdout is not None
        for line in starter.stdout:
            if line == "kafka starting\n":
                break
        starter.kill()
        starter.wait()
    stack = up(directory=folder)  # waits for the keeper's clearing, or does it itself
    assert running(folder) == stack


def test_without_its_keeper_a_crashed_stack_is_found_and_given_a_new_guardian(folder: Path) -> None:
    with script(HOLD, folder) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        before = running(folder)
        (keeper,) = having(AFFLUENT_STACK_OF=str(folder), AFFLUENT_SERVER="keeper")
        os.kill(keeper, signal.SIGKILL)
        holder.kill()
        holder.wait()
    with running_stack(directory=folder) as stack:
        assert stack == before
        assert status(folder).ends_with == os.getpid()
    assert left(folder) == []


def test_a_stack_that_is_wanted_for_longer_outlives_its_guardian(folder: Path) -> None:
    with script(HOLD, folder) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        stack = up(directory=folder)
        assert status(folder).ends_with == holder.pid
        assert up(directory=folder, stay=True) == stack
        holder.terminate()
        holder.wait(60)
    assert running(folder) == stack
    assert status(folder).ends_with is None


def test_a_lost_state_file_does_not_put_two_servers_on_one_folder(folder: Path) -> None:
    up(directory=folder)
    pids = {server.pid for server in status(folder).servers}
    (folder / "state.json").unlink()
    stack = up(directory=folder)
    assert not [pid for pid in pids if pid and psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]
    assert running(folder) == stack


def test_a_port_that_is_in_use_is_one_line_and_nothing_is_begun(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Fault, match=f"port {port}, asked for kafka, is in use"):
            up(directory=folder, fixed={"kafka": port})
    assert left(folder) == []
    assert status(folder).status == "stopped"


def test_a_person_starts_looks_at_and_stops_the_servers_by_commands(folder: Path) -> None:
    def affluent(*arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "AFFLUENT_STACK_DIR": str(folder)}
        argv = [sys.executable, "-m", "affluent", *arguments]
        return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert affluent("status").returncode == 1
    assert affluent("down").stdout == "No server was running.\n"
    started = affluent("up", "--json")
    assert started.returncode == 0, started.stderr
    addresses = json.loads(started.stdout)
    stack = running(folder)
    assert stack is not None
    assert addresses["brokers"] == stack.brokers
    assert addresses["ready_s"] > 0
    looked = affluent("status", "--json")
    assert looked.returncode == 0
    assert {
        server["name"]: server["alive"] for server in json.loads(looked.stdout)["servers"] if server["needed"]
    } == dict.fromkeys(("postgres", "valkey", "kafka", "registry"), True)
    before = {server.name: server.pid for server in status(folder).servers}
    os.kill(before["valkey"] or 0, signal.SIGKILL)
    eventually(lambda: not status(folder).whole)
    with pytest.raises(Fault, match=r"valkey of the stack .* died: run `affluent up`"):
        running(folder)
    looked = affluent("status")
    assert looked.returncode == 1
    assert looked.stdout.startswith("Not alive: valkey. `affluent up` restarts what is missing.\n")
    with socket.create_server(("127.0.0.1", 0)) as other:
        refused = affluent("up", "--port", f"valkey={other.getsockname()[1]}")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "asked for valkey, is in use" in refused.stderr
    again = affluent("up")
    assert again.returncode == 0
    assert running(folder) == stack
    password = stack.postgres_dsn.partition("@")[0].rpartition(":")[2]
    assert password in addresses["postgres_dsn"]
    assert "***@127.0.0.1" in again.stdout
    assert password not in again.stdout + affluent("status").stdout
    after = {server.name: server.pid for server in status(folder).servers}
    assert {name for name in after if after[name] != before[name]} == {"valkey"}
    stopped = json.loads(affluent("down", "--json").stdout)
    assert set(stopped["stopped"]) >= {"postgres", "valkey", "kafka", "registry"}
    assert left(folder) == []


def test_no_network_and_no_cache_is_one_line_and_nothing_is_left(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Fault, match="no connection; check the network or proxy") as found:
        up(directory=folder, cache=tmp_path / "empty", mirror="http://127.0.0.1:9")
    assert "\n" not in str(found.value)
    assert left(folder) == []


def test_a_full_disk_is_one_line_and_nothing_is_left(tmp_path: Path) -> None:
    text = """
import sys
from pathlib import Path
from infra.errors import Fault
from infra.stack import starting, up
if sys.argv[2] == "begun": starting.LEAST_SPACE = 0
try:
    up(directory=Path(sys.argv[1]) / "stack", cache=Path(sys.argv[3]))
except Fault as fault:
    print(fault)
"""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=30m none "{disk}" && exec "$0" "$@"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs a namespace of its own, which this machine does not allow")
    for when in ("before", "begun"):
        argv = [*namespace, sys.executable, "-c", text, str(disk), when, str(default_cache())]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.stdout.startswith("no space left") or "no space left on the disk" in done.stdout, done
        assert done.stdout.count("\n") == 1
        assert done.stderr == ""
    assert left(disk / "stack") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account for the database")
def test_where_namespaces_are_forbidden_the_database_runs_as_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(folder, default_cache())
    places.create()
    secrets = dict.fromkeys(("superuser", "postgres", "registry"), "secret")
    found = None
    with tempfile.TemporaryDirectory(dir="/var/tmp") as copies:
        monkeypatch.setattr(postgres, "NAMESPACE", ("no-such-program",))
        monkeypatch.setattr(postgres, "COPIES", Path(copies))
        postgres.account.cache_clear()
        try:
            for statement in ("create table kept as select 7 as n", "insert into kept select 8"):
                record = Record(ports=ports.choose(["postgres"], fixed={}, before={}))
                Launch(Site(places, record.ports, secrets, Quiet()), record, [postgres.POSTGRES], {}, 60, lambda: None).run()
                assert psutil.Process(record.servers["postgres"].pid).username() == "nobody"
                dsn = f"postgresql://affluent:secret@127.0.0.1:{record.ports['postgres']}/affluent"
                with psycopg.connect(dsn) as connection:
                    connection.execute(statement)
                    found = connection.execute("select count(*) from kept").fetchone()
                processes.stop(record.servers, {"postgres": signal.SIGINT})
            assert found == (2,)
            down(folder, wipe=True)
            assert list(Path(copies).iterdir()) == []
        finally:
            postgres.account.cache_clear()
