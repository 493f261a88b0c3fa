"""Where does the stack keep what it downloads, what it knows, and what must never be lost?"""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.errors import Fault

APP = "affluent"
ODD = set(",:;\"'\\$*?[]{}\n\r\t")
"""Characters that mean something in a class path, a list of folders, a pattern or a quoted value of some server."""


def default_directory() -> Path:
    """Return the user's folder for state, by the platform's convention."""
    from platformdirs import user_state_path

    return user_state_path(APP, appauthor=False) / "stack"


def default_cache() -> Path:
    """Return the user's folder for downloads, by the platform's convention."""
    from platformdirs import user_cache_path

    return user_cache_path(APP, appauthor=False)


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one stack. Everything below `directory` is ours; `cache` is shared by all stacks of the user."""

    directory: Path
    cache: Path

    @property
    def state(self) -> Path:
        """What runs: 0600, JSON."""
        return self.directory / "state.json"

    @property
    def secrets(self) -> Path:
        """The generated passwords: 0600, written once, as old as the data."""
        return self.directory / "secrets.json"

    @property
    def data(self) -> Path:
        """Topics, tables and keys: outlives the servers."""
        return self.directory / "data"

    @property
    def run(self) -> Path:
        """Configuration files, written anew at each start."""
        return self.directory / "run"

    @property
    def logs(self) -> Path:
        """One file for each server, and the one before it."""
        return self.directory / "logs"

    @property
    def targets(self) -> Path:
        """Who wants to be scraped by Prometheus."""
        return self.directory / "targets"

    def log(self, server: str) -> Path:
        """The log file of a server."""
        return self.logs / f"{server}.log"

    def create(self) -> None:
        """Make the folders, readable by us alone. Raises Fault if the place is not writable or its name cannot be used."""
        for folder in (self.directory, self.cache):
            if odd := sorted(set(str(folder)) & ODD):
                raise Fault(f"the folder {folder} cannot be used, servers misread {' '.join(odd)} in a path: choose another")
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.data, self.run, self.logs, self.targets):
                folder.mkdir(exist_ok=True, mode=0o700)
            probe = self.directory / ".writable"
            probe.write_bytes(b"x")
            probe.unlink()
        except OSError as error:
            raise no_place(error, self.directory, "AFFLUENT_STACK_DIR") from error

    def wipe(self) -> None:
        """Forget topics, tables, passwords and logs; the lock file stays, others may be waiting on it."""
        for folder in (self.data, self.run, self.logs, self.targets):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.state, self.secrets):
            file.unlink(missing_ok=True)

    @contextmanager
    def locked(self, busy: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the stack for ourselves; the kernel lets go of it when we die, however we die. busy: called if we must wait."""
        handle = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                busy()
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def need(folder: Path, size: int, setting: str) -> None:
    """Return if so many bytes are free below a folder; raises Fault that says how many are needed."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise Fault(
            f"no space left for {folder}: it needs {size / 1e6:.0f} MB, {free / 1e6:.0f} MB are free; free some, or name another "
            f"folder in {setting}"
        )


def no_place(error: OSError, folder: Path, setting: str) -> Fault:
    """Return the one line that says why nothing can be kept in a folder, and what to do."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Fault(f"no space left for {folder}: free some, or name another folder in {setting}")
    why = error.strerror or str(error)
    return Fault(f"cannot write to {folder} ({why.lower()}): make it writable, or name another folder in {setting}")
