"""What must be known about a server to start it beside the others?"""

import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from infra.stack.places import Places
from infra.stack.processes import Command, environment
from infra.stack.progress import Progress

STACK, SERVER = "AFFLUENT_STACK_OF", "AFFLUENT_SERVER"
"""What names the stack and the server in the environment of each of its processes."""


class Cancelled(Exception):
    """Another server failed, or a person wants to stop: give up quietly."""


class Absent(Exception):
    """A server that is not needed cannot be had here: the message says why."""


@dataclass(slots=True)
class Site:
    """Where and with what a stack is being started. ports and secrets are read, never changed, by servers."""

    places: Places
    ports: Mapping[str, int]
    secrets: Mapping[str, str]
    progress: Progress
    mirror: str | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        """Return if the work is still wanted; raises Cancelled."""
        if self.stopping.is_set():
            raise Cancelled

    def environment(self, server: str, **extra: str) -> dict[str, str]:
        """Return the environment of a server; it names server and stack, so a stray one can be found."""
        return environment(self.places.directory, {STACK: str(self.places.directory), SERVER: server, **extra})


def nothing_to_get(site: Site) -> None:
    """For servers whose programs came with a Python package."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server: names of its ports, what it waits for, how to make it ready to run, and how to see that it serves.

    obtain: downloads and unpacks, beside all other work. prepare: after that and after the servers in `after`; formats and
    configures, returns what to run. Both skip what was done before. serves: asked often, must not raise.
    uses: names of others' ports that it is told at its start, so it must start again when they move.
    """

    name: str
    ports: tuple[str, ...]
    prepare: Callable[[Site], Command]
    serves: Callable[[Site], bool]
    obtain: Callable[[Site], None] = nothing_to_get
    after: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    needed: bool = True
    stop_signal: int = signal.SIGTERM


def reason(log: str) -> str:
    """Return the line of a log that most likely says why its server ended.

    >>> reason("INFO starting\\nERROR disk is full\\nINFO bye")
    'ERROR disk is full'
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    if "no space left on device" in log.lower():
        return "no space left on the disk: free some"
    for sign in ("FATAL", "Fatal", "ERROR", "Error", "Caused by", "Exception", "error", "failed"):
        if found := [line for line in lines if sign in line]:
            return found[0][:300]
    return lines[-1][:300] if lines else "it said nothing"
