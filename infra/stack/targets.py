"""How does a process tell Prometheus that it serves metrics? By a file in the targets folder, which Prometheus watches."""

import json
import os
from pathlib import Path

from infra.stack.ports import HOST
from infra.stack.processes import identity
from infra.stack.state import private_write


def announce(directory: Path, job: str, port: int) -> Path:
    """Say that this process serves metrics at a port; return the file that says so.

    directory: of the stack (`StackState.directory`). job: what kind of process it is, such as `stream-dispatch`.
    Files of processes that are gone are removed on the way: one that was killed could not withdraw.
    """
    folder = directory / "targets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in folder.glob("*.json"):
        pid = file.stem.rsplit("-", 2)[-2:-1]
        if pid and pid[0].isdigit() and identity(int(pid[0])) is None:
            file.unlink(missing_ok=True)
    mine = _file(directory, job, port)
    private_write(mine, json.dumps([{"targets": [f"{HOST}:{port}"], "labels": {"job": job}}]))
    return mine


def withdraw(directory: Path, job: str, port: int) -> None:
    """Say that this process no longer serves metrics there."""
    _file(directory, job, port).unlink(missing_ok=True)


def _file(directory: Path, job: str, port: int) -> Path:
    return directory / "targets" / f"{job}-{os.getpid()}-{port}.json"
