"""How does the stack come up, from whatever state it was left in?"""

import os
import secrets
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from json import dumps, loads
from pathlib import Path

from infra.errors import Fault
from infra.stack import keeper, ports, processes, state
from infra.stack.launch import Launch
from infra.stack.places import Places, default_cache, default_directory, need, no_place
from infra.stack.processes import Identity, identity
from infra.stack.progress import Progress, Quiet
from infra.stack.server import Server, Site, reason
from infra.stack.servers import PORTS, SERVERS, SIGNALS
from infra.stack.state import Record, StackState
from infra.stack.stopping import finish, strays

LEAST_SPACE = 250_000_000
"""Bytes that must be free for the servers' data to begin with; they take about 80 MB."""


ANEW = "put it back, or start anew with `affluent down --wipe`"


def up(
    progress: Progress | None = None,
    directory: Path | None = None,
    cache: Path | None = None,
    *,
    mirror: str | None = None,
    fixed: Mapping[str, int] | None = None,
    guardian: int | None = None,
    stay: bool = False,
    patience_s: float = 90.0,
) -> StackState:
    """Start what does not run yet, and return how to reach it.

    mirror: where the Java archives come from, instead of the library's default. fixed: ports that must be these, by name.
    guardian: pid of the process whose end ends the stack we start; None: it stays until `down`. stay: one that runs already
    and would end with its guardian stays as well. patience_s: for each server.
    Raises Fault, with nothing of this start left, if a needed server cannot be had.
    """
    places = Places((directory or default_directory()).absolute(), (cache or default_cache()).absolute())
    if unknown := set(fixed or {}) - set(PORTS):
        raise Fault(f"no port is called {', '.join(sorted(unknown))}: expected one of {', '.join(PORTS)}")
    places.create()
    told = progress or Quiet()
    try:
        with places.locked(lambda: told.step("stack", "waiting for another start or stop of it")):
            record = _recognised(places)
            fresh = record.status != "running"
            site = Site(places, record.ports, _secrets(places), told, mirror)
            if missing := _missing(record):
                _start(site, record, missing, fixed or {}, guardian, patience_s)
            _check(record, fixed or {})
            # Left by a crash that its keeper did not survive either?
            left = record.guardian is not None and not record.guardian.alive
            if stay or (guardian is None and (fresh or left)):
                _release(site, record)
            elif guardian is not None and left:
                _guard(site, record, guardian)
            return state.addresses(places, record, site.secrets)
    except OSError as error:
        raise no_place(error, places.directory, "AFFLUENT_STACK_DIR") from error


def _recognised(places: Places) -> Record:
    """Return the record of what runs. What is stale, half started or unknown is stopped first: its data is about to be used."""
    try:
        record = state.read(places)
    except Fault:
        record = Record()
    if record.status == "running" and record.processes():
        return record
    processes.stop({**record.processes(), **strays(places, Record())}, SIGNALS)
    return Record(ports=record.ports)


def _missing(record: Record) -> list[Server]:
    """Return the servers to start: all at first; later the dead ones and those that lean on them."""
    alive = record.processes()
    fresh = record.status != "running"
    dead = [
        server.name
        for server in SERVERS
        if server.name not in alive and (server.needed or fresh or server.name in record.servers)
    ]
    return [server for server in SERVERS if server.name in dead or set(server.after) & set(dead)]


def _check(record: Record, fixed: Mapping[str, int]) -> None:
    for name, port in fixed.items():
        if record.ports.get(name) != port:
            raise Fault(f"{name} already runs on port {record.ports.get(name)}, not {port}: run `affluent down` first")


def _start(
    site: Site, record: Record, missing: list[Server], fixed: Mapping[str, int], guardian: int | None, patience_s: float
) -> None:
    need(site.places.directory, LEAST_SPACE, "AFFLUENT_STACK_DIR")
    left = {server.name: record.servers[server.name] for server in missing if server.name in record.servers}
    processes.stop({**left, **strays(site.places, record)}, SIGNALS)
    names = [port for server in missing for port in server.ports]
    before = dict(record.ports)
    record.ports.update(ports.choose(names, fixed={name: fixed[name] for name in names if name in fixed}, before=before))
    moved = {name for name in names if record.ports[name] != before.get(name)}
    misled = {
        server.name: record.servers[server.name] for server in SERVERS if server not in missing and moved & set(server.uses)
    }
    processes.stop(misled, SIGNALS)
    missing = [server for server in SERVERS if server in missing or server.name in misled]

    def save() -> None:
        state.write(site.places, record, site.secrets)

    fresh = record.status != "running"
    if fresh:
        record.status, record.run = "starting", uuid.uuid4().hex
        _guard(site, record, guardian or os.getpid())
    try:
        Launch(site, record, missing, fixed, patience_s, save).run()
        if fresh and record.keeper and not record.keeper.alive:
            log = site.places.log("keeper")
            raise Fault(f"the keeper ended at its start: {reason(log.read_text(errors='replace'))}; see {log}")
        record.status = "running"
    except BaseException:
        if fresh:
            finish(site.places, record)
        raise
    finally:
        save()


def _guard(site: Site, record: Record, guardian: int) -> None:
    """Let the stack end with a process, by a keeper of its own; an earlier keeper finds that it is not wanted."""
    record.guardian = identity(guardian)
    if record.guardian is None:
        raise Fault(f"process {guardian}, which the stack was to end with, has ended")

    def kept(who: Identity) -> None:
        record.keeper = who
        state.write(site.places, record, site.secrets)

    processes.spawn(keeper.command(site, record.run, record.guardian), site.places.log("keeper"), kept)


def _release(site: Site, record: Record) -> None:
    """Let the stack outlive its guardian."""
    held, record.keeper, record.guardian = record.keeper, None, None
    if held is not None:
        state.write(site.places, record, site.secrets)  # first: a keeper that wakes now sees that it is not wanted
        processes.stop({"keeper": held}, {})


def _secrets(places: Places) -> dict[str, str]:
    """Return the stack's passwords and the cluster's id, made at the first start and as old as the data."""
    try:
        known: dict[str, str] = loads(places.secrets.read_text())
    except FileNotFoundError:
        if (places.data / "postgres").exists():
            raise Fault(f"{places.secrets} is lost, and its passwords open {places.data}: {ANEW}") from None
        known = {name: secrets.token_hex(16) for name in ("superuser", "postgres", "registry", "valkey")}
        known["cluster"] = urlsafe_b64encode(b"a" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        state.private_write(places.secrets, dumps(known))
    except ValueError as error:
        raise Fault(f"{places.secrets} is damaged: {ANEW}") from error
    return known
