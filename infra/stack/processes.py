"""How is a server started so that it cannot be lost, recognised later, and stopped?"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psutil

GATE = 'read -r go && exec "$@" </dev/null'
"""What a child does first: wait until its pid is written down. If we die before that, it reads the end of file and ends."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    born: str

    @property
    def alive(self) -> bool:
        """Whether exactly this process still runs; a zombie does not."""
        return born(self.pid) == self.born


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. env is complete: servers inherit nothing, so a stray variable of the user cannot bend them."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    user: int | None = None


_children: dict[int, subprocess.Popen[bytes]] = {}
"""Our own children, kept so that they can be reaped."""


@cache
def _has_proc() -> bool:
    return Path("/proc/self/stat").exists()


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]


def born(pid: int) -> str | None:
    """Return when a process was born, in a form that only equals itself; None if it is gone or a zombie.

    On Linux this is the boot and the tick, which no correction of the clock moves; elsewhere the wall time the kernel noted.
    """
    if child := _children.get(pid):
        child.poll()
    if _has_proc():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"{_boot()}-{fields[19]}"
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.Error:
        return None


def identity(pid: int) -> Identity | None:
    """Return who has this pid now, or None."""
    when = born(pid)
    return None if when is None else Identity(pid, when)


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment of a server."""
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC", "HOME": str(home), **(extra or {})}


def spawn(command: Command, log: Path, record: Callable[[Identity], None]) -> Identity:
    """Start a server in a session of its own; `record` writes it down before its program begins. Raises OSError."""
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    with log.open("wb") as out:
        log.chmod(0o600)
        child = subprocess.Popen(
            ["/bin/sh", "-c", GATE, "sh", *command.argv],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=command.cwd,
            env=dict(command.env),
            start_new_session=True,
            user=command.user,
            group=command.user,
            extra_groups=None if command.user is None else [],
        )
    _children[child.pid] = child
    who = Identity(child.pid, born(child.pid) or "")
    with child.stdin or nullcontext() as gate:
        try:
            record(who)
        except BaseException:
            child.communicate()  # the gate closes, so it ends
            raise
        if gate is not None:
            gate.write(b"go\n")
    return who


def stop(processes: Mapping[str, Identity], signals: Mapping[str, int], patience_s: float = 15.0) -> list[str]:
    """End processes, all at once: politely, then by force. Returns the names of those that had to be forced.

    signals: the polite one by the first word of a process's name, where it is not SIGTERM.
    """
    for name, process in processes.items():
        if process.alive:
            _signal(process.pid, signals.get(name.split()[0], signal.SIGTERM))
    late = wait(processes, patience_s)
    for name in late:
        _signal(processes[name].pid, signal.SIGKILL, group=True)
    wait(processes, 5.0)
    return late


def wait(processes: Mapping[str, Identity], patience_s: float) -> list[str]:
    """Wait until processes are gone; return the names of those that are not."""
    until = time.monotonic() + patience_s
    names: Iterable[str] = processes
    while left := [name for name in names if processes[name].alive]:
        if time.monotonic() > until:
            return left
        time.sleep(0.02)
        names = left
    return []


def _signal(pid: int, number: int, *, group: bool = False) -> None:
    try:
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def having(**variables: str) -> dict[int, dict[str, str]]:
    """Return the environments, by pid, of the processes of ours in which all these variables have these values.

    Children of such a process are left out, they are its own business; so are we.
    """
    found, parents = {}, {}
    for process in psutil.process_iter():
        try:
            environ = process.environ()
            if variables.items() <= environ.items():
                found[process.pid], parents[process.pid] = environ, process.ppid()
        except (psutil.Error, OSError):
            continue  # not ours, or gone
    return {pid: environ for pid, environ in found.items() if pid != os.getpid() and parents[pid] not in found}
