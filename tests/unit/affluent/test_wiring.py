"""Do addresses come from the environment first, then from the stack that runs here?"""

import os
from pathlib import Path

import pytest

from affluent import wiring
from infra.settings import PREFIX, Settings
from infra.stack.state import StackState

ADDRESSES = {
    "AFFLUENT_KAFKA__BROKERS": "kafka:9092",
    "AFFLUENT_REGISTRY__URL": "http://registry:8081",
    "AFFLUENT_POSTGRES__DSN": "postgresql://me:secret@db/base",
    "AFFLUENT_REDIS__URL": "redis://cache:6379",
}


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AFFLUENT_STACK_DIR", str(tmp_path))


def stack(folder: Path) -> StackState:
    return StackState(
        brokers="127.0.0.1:1", registry_url="http://127.0.0.1:2", postgres_dsn="postgresql://a:b@127.0.0.1:3/affluent",
        redis_url="redis://127.0.0.1:4", prometheus_url=None, directory=folder,
    )  # fmt: skip


def test_the_running_stack_fills_in_what_the_environment_leaves_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AFFLUENT_KAFKA__BROKERS", "kafka:9092")
    monkeypatch.setattr(wiring, "_running", lambda given: stack(Path(given.stack_dir)))
    found = wiring.settings()
    assert (found.kafka.brokers, found.redis.url, found.registry.url) == (
        "kafka:9092",
        "redis://127.0.0.1:4",
        "http://127.0.0.1:2",
    )


def test_the_stack_is_not_looked_for_when_every_address_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, address in ADDRESSES.items():
        monkeypatch.setenv(name, address)

    def looked(_given: Settings) -> None:
        raise AssertionError("looked for the stack")

    monkeypatch.setattr(wiring, "_running", looked)
    assert wiring.settings().postgres.dsn == "postgresql://me:secret@db/base"


def test_without_a_stack_addresses_stay_empty_for_the_client_to_complain(tmp_path: Path) -> None:
    found = wiring.settings()
    assert (found.kafka.brokers, found.postgres.dsn) == ("", "")


def test_models_and_keys_lie_beside_the_stack_unless_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert wiring.settings().store.url == str(tmp_path / "models")
    monkeypatch.setenv("AFFLUENT_STORE__URL", "memory://bundles")
    found = wiring.settings().store
    assert (found.url, found.key_dir) == ("memory://bundles", str(tmp_path / "keys"))


def test_a_process_shows_its_metrics_to_the_stack_while_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wiring, "_running", lambda _given: stack(tmp_path))
    monkeypatch.setattr("infra.logs.configure", lambda _log: None)
    with wiring.process("stream-dispatch") as process:
        (target,) = (tmp_path / "targets").glob("stream-dispatch-*.json")
        assert f"127.0.0.1:{process.port}" in target.read_text()
    assert list((tmp_path / "targets").glob("*.json")) == []
