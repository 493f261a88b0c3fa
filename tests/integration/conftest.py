"""One real stack for a whole test run, however many workers share it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stack import StackState, down, up


def _controller() -> int:
    """The process whose end ends the run: pytest itself, or the parent of this xdist worker."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackState]:
    """The addresses of real servers, started by the first test that asks; empty at the start of the run.

    Workers of one run share it, so use names of your own for topics, groups and databases. It ends with the run.
    """
    shared = "PYTEST_XDIST_WORKER" in os.environ
    folder: Path = tmp_path_factory.getbasetemp()
    directory = (folder.parent if shared else folder) / "stack"
    yield up(directory=directory, guardian=_controller())
    if not shared:  # else the keeper stops it when the controller ends: other workers may still need it
        down(directory)
