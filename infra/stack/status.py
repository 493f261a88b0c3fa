"""Which servers of the stack live, and where?"""

from dataclasses import dataclass
from pathlib import Path

from infra.stack import state
from infra.stack.places import Places, default_cache, default_directory
from infra.stack.servers import SERVERS
from infra.stack.state import Status


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server: note says why it is absent, where that is known."""

    name: str
    alive: bool
    needed: bool
    pid: int | None
    ports: dict[str, int]
    log: Path
    note: str | None


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A stack: status is what the state file says, whole whether every needed server is alive."""

    directory: Path
    status: Status
    whole: bool
    ends_with: int | None
    servers: tuple[ServerStatus, ...]


def status(directory: Path | None = None) -> StackStatus:
    """Return what is known about the stack of a state folder. Raises Fault if its file cannot be understood."""
    places = Places((directory or default_directory()).absolute(), default_cache())
    record = state.read(places)
    servers = []
    for server in SERVERS:
        process = record.servers.get(server.name)
        alive = process is not None and process.alive
        at = {name: record.ports[name] for name in server.ports if name in record.ports}
        pid = process.pid if process and alive else None
        log, note = places.log(server.name), record.notes.get(server.name)
        servers.append(ServerStatus(server.name, alive, server.needed, pid, at, log, note))
    whole = record.status == "running" and all(server.alive for server in servers if server.needed)
    return StackStatus(places.directory, record.status, whole, record.guardian.pid if record.guardian else None, tuple(servers))
