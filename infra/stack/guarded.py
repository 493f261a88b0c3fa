"""How does a program have a stack for as long as it runs, and not a moment longer?"""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from infra.errors import Fault
from infra.stack import state
from infra.stack.places import Places, default_cache, default_directory
from infra.stack.processes import Identity, identity
from infra.stack.progress import Progress
from infra.stack.starting import up
from infra.stack.state import StackState
from infra.stack.stopping import end


@contextmanager
def running_stack(
    progress: Progress | None = None,
    directory: Path | None = None,
    cache: Path | None = None,
    *,
    mirror: str | None = None,
    fixed: Mapping[str, int] | None = None,
    patience_s: float = 90.0,
) -> Iterator[StackState]:
    """Hold a running stack; one that already ran is used and left running, one that we started ends with us.

    It ends on leaving, on SIGTERM, and through its keeper if we are killed. Raises as `up` does.
    """
    with _terminated_as_exit():
        before = _known(directory)
        found = up(progress, directory, cache, mirror=mirror, fixed=fixed, guardian=os.getpid(), patience_s=patience_s)
        places = Places(found.directory, cache or default_cache())
        record = state.read(places)
        try:
            yield found
        finally:
            if record.guardian == identity(os.getpid()) and record.guardian and before != (record.run, record.guardian):
                end(places, only=(record.run, record.guardian))


def _known(directory: Path | None) -> tuple[str, Identity | None] | None:
    """Return which start runs and with whom it ends, before we touch it."""
    try:
        record = state.read(Places(directory or default_directory(), default_cache()))
    except Fault:
        return None
    return (record.run, record.guardian) if record.processes() else None


@contextmanager
def _terminated_as_exit() -> Iterator[None]:
    """Leave by an exception on SIGTERM, where the program has no other wish."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
