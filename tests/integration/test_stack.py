"""Do the real servers do what the project needs of them, and let nobody else in?"""

import json

import psutil
import psycopg
import pytest
import redis
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]  # not re-exported by name

from infra.stack import StackState, running_stack, status
from infra.stack.targets import announce, withdraw
from tests.integration.stack_scene import ask, create, eventually, first, produce


def settings_of_broker(stack: StackState) -> dict[str, str]:
    admin = AdminClient({"bootstrap.servers": stack.brokers})
    (found,) = admin.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "1")]).values()
    return {name: entry.value for name, entry in found.result().items()}


def test_every_server_answers_in_its_own_language(stack: StackState) -> None:
    assert settings_of_broker(stack)["group.consumer.session.timeout.ms"] == "10000"
    with psycopg.connect(stack.postgres_dsn) as connection:
        row = connection.execute("select current_setting('server_version_num')::int / 10000, current_setting('fsync')").fetchone()
        assert row == (18, "on")
    assert redis.from_url(stack.redis_url).ping()
    ask(f"{stack.registry_url}/config", {"compatibility": "FULL_TRANSITIVE"}, "PUT")
    assert ask(f"{stack.registry_url}/config") == {"compatibilityLevel": "FULL_TRANSITIVE"}


def test_a_record_of_2013_is_kept_and_has_the_time_of_its_arrival(stack: StackState) -> None:
    create(stack, "stack.old.v1", **{"message.timestamp.type": "LogAppendTime", "retention.ms": "86400000"})
    produce(stack, "stack.old.v1", b"a leg", timestamp=1_357_000_000_000)
    value, appended = first(stack, "stack.old.v1")
    assert value == b"a leg"
    assert appended > 1_700_000_000_000


def test_a_topic_is_never_made_by_accident(stack: StackState) -> None:
    admin = AdminClient({"bootstrap.servers": stack.brokers})
    assert admin.list_topics("stack.accident.v1", timeout=10).topics["stack.accident.v1"].error is not None
    assert "stack.accident.v1" not in admin.list_topics(timeout=10).topics


def test_a_stranger_is_let_into_neither_database_nor_cache(stack: StackState) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(stack.postgres_dsn.replace("affluent:", "affluent:x"))
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.from_url("redis://" + stack.redis_url.rpartition("@")[2]).ping()


def test_everything_listens_on_the_loopback_address_only(stack: StackState) -> None:
    pids = {server.pid for server in status(stack.directory).servers if server.pid}
    heard = [found for pid in pids for found in psutil.Process(pid).net_connections("tcp") if found.status == "LISTEN"]
    assert heard
    assert {found.laddr.ip.removeprefix("::ffff:") for found in heard} == {"127.0.0.1"}


def test_no_secret_is_on_a_command_line_or_in_a_file_others_can_read(stack: StackState) -> None:
    secrets = json.loads((stack.directory / "secrets.json").read_text())
    passwords = {value for name, value in secrets.items() if name != "cluster"}
    for server in status(stack.directory).servers:
        said = " ".join(psutil.Process(server.pid).cmdline()) if server.pid else ""
        assert not [password for password in passwords if password in said], server.name
    for file in (stack.directory / "run").iterdir():
        if file.stat().st_mode & 0o077:
            assert not [password for password in passwords if password in file.read_text()], file


def test_prometheus_scrapes_a_process_that_announced_itself(stack: StackState) -> None:
    if stack.prometheus_url is None:
        pytest.skip("Prometheus could not be had on this machine; `affluent status` says why")
    address = stack.prometheus_url
    port = int(address.rpartition(":")[2])  # any process with metrics will do: here, Prometheus's own
    announce(stack.directory, "test-stack", port)

    def scraped() -> bool:
        found = ask(f"{address}/api/v1/query?query=up%7Bjob%3D~%22test-stack%7Cregistry%22%7D%3D%3D1")
        results = found["data"]["result"]  # type: ignore[index]  # JSON
        return {result["metric"]["job"] for result in results} == {"test-stack", "registry"}

    try:
        eventually(scraped)
    finally:
        withdraw(stack.directory, "test-stack", port)


def test_one_who_finds_a_running_stack_leaves_it_running(stack: StackState) -> None:
    before = status(stack.directory)
    with running_stack(directory=stack.directory) as found:
        assert found == stack
    assert status(stack.directory) == before
