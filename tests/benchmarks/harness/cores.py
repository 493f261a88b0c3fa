"""Which core runs what? The program alone on the first, everything else (broker, load, harness) on the others.

Where a process cannot be held to a core, or there is only one, nothing is pinned, and the result says so.
"""

import os
from collections.abc import Iterable

WORKER = 0


def pinned() -> bool:
    """Return whether programs can be kept apart here."""
    return hasattr(os, "sched_setaffinity") and len(all_cores()) > 1


def all_cores() -> list[int]:
    """Return the cores this process was given at its start."""
    return _CORES


_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def hold(cores: Iterable[int]) -> None:
    """Keep this process, and all it starts from now on, on these cores."""
    if pinned():
        os.sched_setaffinity(0, set(cores))


def worker_cores(count: int = 1) -> list[int]:
    """Return the cores of the program under test: the first, or the first few."""
    return all_cores()[WORKER : WORKER + count]


def other_cores() -> list[int]:
    """Return the cores of everything else."""
    return all_cores()[WORKER + 1 :] or all_cores()
