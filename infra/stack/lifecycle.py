"""How does the stack come up and go down, leaving nothing behind that nobody wants?"""

import os
import secrets
import signal
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from json import dumps, loads
from pathlib import Path

from infra.errors import Fault
from infra.stack import keeper, ports, processes, state
from infra.stack.kafka import KAFKA
from infra.stack.places import Places, default_cache, default_directory, no_place
from infra.stack.postgres import POSTGRES, forget
from infra.stack.processes import Identity, identity
from infra.stack.progress import Progress, Quiet
from infra.stack.prometheus import PROMETHEUS
from infra.stack.registry import REGISTRY
from infra.stack.server import MARK, Server, Site
from infra.stack.start import Start
from infra.stack.state import Record, StackState
from infra.stack.valkey import VALKEY

SERVERS: tuple[Server, ...] = (POSTGRES, VALKEY, KAFKA, REGISTRY, PROMETHEUS)
SIGNALS = {server.name: server.stop_signal for server in SERVERS}
PORTS = tuple(port for server in SERVERS for port in server.ports)


def up(
    progress: Progress | None = None,
    directory: Path | None = None,
    cache: Path | None = None,
    *,
    mirror: str | None = None,
    fixed: Mapping[str, int] | None = None,
    guardian: int | None = None,
    patience_s: float = 90.0,
) -> StackState:
    """Start what does not run yet, and return how to reach it.

    mirror: where the Java archives come from, instead of the library's default. fixed: ports that must be these, by name.
    guardian: pid of the process whose end ends the stack; None: it stays until `down`. patience_s: for each server.
    Raises Fault, with nothing of this start left, if a needed server cannot be had.
    """
    places = Places((directory or default_directory()).absolute(), (cache or default_cache()).absolute())
    if unknown := set(fixed or {}) - set(PORTS):
        raise Fault(f"no port is called {', '.join(sorted(unknown))}: expected one of {', '.join(PORTS)}")
    places.create()
    try:
        with places.locked():
            record = state.read(places)
            if record.status != "running" or not record.processes():
                processes.stop({**record.processes(), **_strays(places)}, SIGNALS)
                record = Record(ports=record.ports)
            known = _secrets(places)
            missing = _missing(record)
            if missing:
                site = Site(places, record.ports, known, progress or Quiet(), mirror)
                _start(site, record, missing, fixed or {}, guardian, patience_s)
            if guardian is None:
                _release(places, record, known)
            return state.addresses(places, record, known)
    except OSError as error:
        raise no_place(error, places.directory, "AFFLUENT_STACK_DIR") from error


def _missing(record: Record) -> list[Server]:
    """Return the servers to start: all at first; later the dead ones, Prometheus too where it was absent."""
    return [server for server in SERVERS if server.name not in record.processes()]


def _start(
    site: Site, record: Record, missing: list[Server], fixed: Mapping[str, int], guardian: int | None, patience_s: float
) -> None:
    names = [port for server in missing for port in server.ports]
    before = dict(record.ports)
    record.ports.update(ports.choose(names, fixed={name: fixed[name] for name in names if name in fixed}, before=before))
    moved = {name for name in names if record.ports[name] != before.get(name)}
    told = {server.name: record.servers[server.name] for server in SERVERS if server not in missing and moved & set(server.uses)}
    processes.stop(told, SIGNALS)
    missing = [server for server in SERVERS if server in missing or server.name in told]

    def save() -> None:
        state.write(site.places, record, site.secrets)

    fresh = record.status != "running"
    if fresh:
        record.status, record.run = "starting", uuid.uuid4().hex
        record.guardian = identity(guardian or os.getpid())
        if record.guardian is None:
            raise Fault(f"process {guardian}, which the stack was to end with, has ended")

        def kept(who: Identity) -> None:
            record.keeper = who
            save()

        processes.spawn(keeper.command(site, record.run, record.guardian), site.places.log("keeper"), kept)
    try:
        Start(site, record, missing, fixed, patience_s, save).run()
        record.status = "running"
    except BaseException:
        if fresh:
            _finish(site.places, record)
        raise
    finally:
        save()


def _release(places: Places, record: Record, known: Mapping[str, str]) -> None:
    """Let the stack outlive its guardian."""
    if record.keeper is None:
        return
    held, record.keeper, record.guardian = record.keeper, None, None
    state.write(places, record, known)  # first: a keeper that wakes now sees that it is not wanted
    processes.stop({"keeper": held}, {"keeper": signal.SIGTERM})


def down(directory: Path | None = None, *, wipe: bool = False) -> list[str]:
    """Stop the stack of a state folder; return the names of the servers that ran.

    wipe: forget topics, tables and passwords as well. A damaged state file is no obstacle.
    """
    places = Places((directory or default_directory()).absolute(), default_cache())
    if not places.directory.exists():
        return []
    return end(places, wipe=wipe)


def end(places: Places, *, only: tuple[str, Identity] | None = None, wipe: bool = False) -> list[str]:
    """Stop the servers, if the start and its guardian are still those in `only`; return the names of those that ran."""
    try:
        with places.locked():
            try:
                record = state.read(places)
            except Fault:
                if only:
                    raise
                record = Record()
            if only and (record.run, record.guardian) != only:
                return []
            ran = _finish(places, record)
            if wipe:
                forget(places.data / "postgres")
                places.wipe()
            else:
                state.write(places, record)
            return ran
    except OSError as error:
        raise no_place(error, places.directory, "AFFLUENT_STACK_DIR") from error


def _finish(places: Places, record: Record) -> list[str]:
    keepers = {record.keeper.pid} if record.keeper else set()
    found = {**record.processes(), **{name: who for name, who in _strays(places).items() if who.pid not in keepers}}
    processes.stop(found, SIGNALS)
    if record.keeper and record.keeper.pid != os.getpid():
        processes.stop({"keeper": record.keeper}, {})
    ran = [name for name in record.servers if name in found]
    record.status, record.servers, record.keeper, record.guardian = "stopped", {}, None, None
    return ran


def _strays(places: Places) -> dict[str, Identity]:
    return {f"stray {who.pid}": who for who in processes.marked(MARK, str(places.directory))}


def _secrets(places: Places) -> dict[str, str]:
    """Return the stack's passwords and the cluster's id, made at the first start and as old as the data."""
    try:
        known: dict[str, str] = loads(places.secrets.read_text())
    except FileNotFoundError:
        known = {name: secrets.token_hex(16) for name in ("superuser", "postgres", "registry", "valkey")}
        known["cluster"] = urlsafe_b64encode(b"a" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        state.private_write(places.secrets, dumps(known))
    except ValueError as error:
        raise Fault(f"{places.secrets} is damaged: put it back, or start anew with `affluent down --wipe`") from error
    return known
