"""What processes do in the tests of the pool: importable by name, and light."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.errors import Fault, Unavailable


@contextmanager
def doing() -> Iterator[Callable[[str, Callable[[int], None]], tuple[str, int]]]:
    """Give what does a task as it is named."""

    def work(task: str, told: Callable[[int], None]) -> tuple[str, int]:
        told(2)
        told(3)
        what, _, rest = task.partition(":")
        if what == "fault":
            raise Fault("the log is not what it was")
        if what == "away":
            raise Unavailable("nobody is there")
        if what == "bug":
            raise ZeroDivisionError("ours")
        if what == "die":
            os._exit(9)
        if what == "wait":
            Path(rest).write_text(str(os.getpid()))
            time.sleep(600)
        return task, os.getpid()

    yield work


@contextmanager
def refusing() -> Iterator[Callable[..., None]]:
    """Fail before any work."""
    if os.getpid():
        raise Fault("no brokers are known")
    yield print
