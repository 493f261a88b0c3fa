"""What runs, and how does one reach it?

The state file is the only thing that commands share about the stack. It is rewritten whole (so it is never half a file), and
it is written before a server's program begins (so no server is ever missing from it).
"""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from infra.errors import Fault
from infra.stack.places import Places, default_cache, default_directory
from infra.stack.ports import HOST
from infra.stack.processes import Identity

VERSION = 1
NEEDED = ("postgres", "valkey", "kafka", "registry")
"""Without one of these there is no stack; without Prometheus there is."""

Status = Literal["starting", "running", "stopped"]


@dataclass(frozen=True, slots=True)
class StackState:
    """The addresses of a running stack."""

    brokers: str
    registry_url: str
    postgres_dsn: str
    redis_url: str
    prometheus_url: str | None
    directory: Path


@dataclass(slots=True)
class Record:
    """The state file. ports outlive a stop, so the next start has the same addresses where they are free.

    run: the id of this start. guardian: whose end ends the stack; None if it stays until `down`.
    notes: why a server that is not needed is absent.
    """

    run: str = ""
    status: Status = "stopped"
    guardian: Identity | None = None
    keeper: Identity | None = None
    servers: dict[str, Identity] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def dead(self) -> list[str]:
        """The needed servers, and Prometheus if it was started, that are not alive."""
        names = [*NEEDED, *(name for name in self.servers if name not in NEEDED)]
        return [name for name in names if name not in self.servers or not self.servers[name].alive]

    def processes(self) -> dict[str, Identity]:
        """Every process of the stack that is alive, the keeper excepted."""
        return {name: server for name, server in self.servers.items() if server.alive}


def read(places: Places) -> Record:
    """Return what the state file says; an empty record if there is none. Raises Fault if it cannot be understood."""
    try:
        raw = json.loads(places.state.read_text())
        if raw.pop("version") != VERSION:
            raise Fault(f"{places.state} was written by another version: stop that stack with it, or remove the folder")
        raw.pop("addresses", None)
        for name in ("guardian", "keeper"):
            raw[name] = raw[name] and Identity(**raw[name])
        raw["servers"] = {name: Identity(**server) for name, server in raw["servers"].items()}
        return Record(**raw)
    except FileNotFoundError:
        return Record()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Fault(f"{places.state} is damaged ({error}): run `affluent down`, which repairs it") from error
    except OSError as error:
        raise Fault(f"cannot read {places.state} ({error.strerror}): is it another user's stack?") from error


def write(places: Places, record: Record, secrets: Mapping[str, str] | None = None) -> None:
    """Replace the state file. With the secrets of a running stack, its addresses are in it too. Raises OSError."""
    content: dict[str, Any] = {"version": VERSION, **asdict(record)}
    if secrets is not None and record.status == "running":
        known = asdict(addresses(places, record, secrets))
        content["addresses"] = {name: value for name, value in known.items() if name != "directory"}
    private_write(places.state, json.dumps(content, indent=1))


def private_write(path: Path, text: str) -> None:
    """Replace a file by one that only we can read, whole or not at all. Raises OSError."""
    new = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def addresses(places: Places, record: Record, secrets: Mapping[str, str]) -> StackState:
    """Return how one reaches the servers of a record."""
    port = record.ports
    metrics = "prometheus" in record.servers
    return StackState(
        brokers=f"{HOST}:{port['kafka']}",
        registry_url=f"http://{HOST}:{port['registry']}/apis/ccompat/v7",
        postgres_dsn=f"postgresql://affluent:{secrets['postgres']}@{HOST}:{port['postgres']}/affluent",
        redis_url=f"redis://:{secrets['valkey']}@{HOST}:{port['valkey']}/0",
        prometheus_url=f"http://{HOST}:{port['prometheus']}" if metrics else None,
        directory=places.directory,
    )


def running(directory: Path | None = None) -> StackState | None:
    """Return the addresses of the stack that runs in a state folder, or None if none does.

    Raises Fault if a needed server of it has died: the message names it.
    """
    places = Places(directory or default_directory(), default_cache())
    record = read(places)
    if record.status != "running" or not record.processes():
        return None
    if dead := [name for name in record.dead() if name in NEEDED]:
        raise Fault(
            f"{' and '.join(dead)} of the stack in {places.directory} died: run `affluent up`, it restarts what is missing"
        )
    raw = json.loads(places.state.read_text()).get("addresses")
    return None if raw is None else StackState(**raw, directory=places.directory)
