"""How does the stack go down, leaving nothing behind that nobody wants?"""

import os
from pathlib import Path

from infra.errors import Fault
from infra.stack import processes, state
from infra.stack.places import Places, default_cache, default_directory, no_place
from infra.stack.postgres import forget
from infra.stack.processes import Identity, identity
from infra.stack.server import SERVER, STACK
from infra.stack.servers import SIGNALS
from infra.stack.state import Record


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
            ran = finish(places, record)
            if wipe:
                forget(places.data / "postgres")
                places.wipe()
            else:
                state.write(places, record)
            return ran
    except OSError as error:
        raise no_place(error, places.directory, "AFFLUENT_STACK_DIR") from error


def finish(places: Places, record: Record) -> list[str]:
    """Stop every process of a stack and empty its record; return the names of the servers that ran."""
    found = {**record.processes(), **strays(places, record)}
    processes.stop(found, SIGNALS)
    if record.keeper and record.keeper.pid != os.getpid():
        processes.stop({"keeper": record.keeper}, {})
    ran = [name for name in record.servers if name in found]
    record.status, record.servers, record.keeper, record.guardian = "stopped", {}, None, None
    return ran


def strays(places: Places, record: Record) -> dict[str, Identity]:
    """Return the processes that name this stack in their environment but not in its record."""
    known = {process.pid for process in (*record.servers.values(), record.keeper) if process is not None and process.alive}
    found = processes.having(**{STACK: str(places.directory)})
    named = {f"{environ[SERVER]} {pid}": identity(pid) for pid, environ in found.items() if pid not in known}
    return {name: who for name, who in named.items() if who is not None}
