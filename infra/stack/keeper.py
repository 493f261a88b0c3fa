"""Who stops the servers if the one who started them is killed?

A small process beside them: it waits for its guardian's end, whatever the reason, and then stops that very start of the stack.
Run as `python -m infra.stack.keeper DIRECTORY RUN PID BORN`.
"""

import os
import select
import signal
import sys
import time
from pathlib import Path

from infra.stack.processes import Command, Identity
from infra.stack.server import Site

ROOT = Path(__file__).parents[2]
LOOK_S = 0.5


def command(site: Site, run: str, guardian: Identity) -> Command:
    """Return what to run so that a start of the stack ends with its guardian."""
    argv = [sys.executable, "-m", "infra.stack.keeper", str(site.places.directory), run, str(guardian.pid), guardian.born]
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])  # it finds what we found, however we found it
    return Command(argv, cwd=ROOT, env=site.environment("keeper", PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1"))


def wait_for_end(guardian: Identity) -> None:
    """Return when a process is gone: at once where the kernel tells (Linux), else within half a second."""
    if hasattr(os, "pidfd_open"):
        try:
            handle = os.pidfd_open(guardian.pid)
        except OSError:
            handle = -1
        if handle >= 0 and guardian.alive:
            select.select([handle], [], [])
    while guardian.alive:
        time.sleep(LOOK_S)


def main(directory: str, run: str, pid: str, born: str) -> None:
    """Wait, then stop what was to be kept, if it is still the same start with the same guardian."""
    from infra.stack.places import Places
    from infra.stack.stopping import end

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guardian = Identity(int(pid), born)
    wait_for_end(guardian)
    places = Places(Path(directory), Path(directory))
    if places.directory.exists():
        end(places, only=(run, guardian))


if __name__ == "__main__":
    main(*sys.argv[1:])
