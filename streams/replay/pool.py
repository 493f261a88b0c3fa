"""How is work shared among processes? Each asks for the next task when it is done with one; results come back in the tasks' order.

Processes are started anew (no thread or connection of ours is copied), and end with the one that started them. One that dies is told
at once, never waited for.
"""

import multiprocessing
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Protocol, TypeVar

from infra.errors import Fault, Unavailable

Task = TypeVar("Task")
Result = TypeVar("Result")
STOP_S = 5.0


class Worker(Protocol[Task, Result]):  # type: ignore[misc]  # used in both directions
    """What a process does with a task."""

    def __call__(self, task: Task, told: Callable[[int], None], /) -> Result:
        """Do it; tell how many records were done, whenever some were."""


Open = Callable[[], AbstractContextManager[Worker[Any, Any]]]
Told = Callable[[Any, int], None]


def run(tasks: Sequence[Any], opened: Open, *, jobs: int, told: Told = lambda _task, _n: None) -> list[Any]:
    """Do all tasks, `jobs` at once, and return their results. told: of which task how many records were done.

    opened: makes what does the work; importable by name, for it is called in each process (in this one, if jobs is 1). Raises what
    a task raised if that is a Fault or Unavailable; RuntimeError with its traceback if it is anything else; Fault if a process died.
    """
    if jobs <= 1:
        with opened() as work:
            return [work(task, partial(told, task)) for task in tasks]
    return _Pool(tasks, opened, told).run(min(jobs, len(tasks)))


@contextmanager
def _deaf() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C, from their first moment on: it goes to all, and whoever started them ends them."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        yield
        return
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


def _work(pipe: Connection, opened: Open) -> None:
    """What a process does: take tasks until there are none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with opened() as work:
            pipe.send(("ready", None))
            while (task := pipe.recv()) is not None:
                pipe.send(("done", work(task, lambda n: pipe.send(("told", n)))))
    except (Fault, Unavailable) as raised:
        pipe.send(("raised", (type(raised), str(raised))))
    except (BrokenPipeError, EOFError):
        return  # whoever started us is gone
    except BaseException:  # noqa: BLE001 - it must be told, whatever it is
        pipe.send(("failed", traceback.format_exc()))


class _Pool(Generic[Task, Result]):
    def __init__(self, tasks: Sequence[Task], opened: Open, told: Told) -> None:
        self._tasks, self._opened, self._told = tasks, opened, told
        self._results: dict[int, Result] = {}
        self._next = 0
        self._busy: dict[Connection, int | None] = {}
        self._processes: dict[Connection, Any] = {}
        self._ending: list[Any] = []

    def run(self, jobs: int) -> list[Result]:
        start = multiprocessing.get_context("spawn")
        try:
            with _deaf():
                for _ in range(jobs):
                    ours, theirs = start.Pipe()
                    process = start.Process(target=_work, args=(theirs, self._opened), daemon=True)
                    process.start()
                    theirs.close()
                    self._processes[ours], self._busy[ours] = process, None
            while len(self._results) < len(self._tasks):
                for pipe in wait(list(self._processes)):
                    self._hear(pipe)  # type: ignore[arg-type]  # what we wait for are pipes
            return [self._results[i] for i in range(len(self._tasks))]
        finally:
            self._end()

    def _hear(self, pipe: Connection) -> None:
        at = self._busy[pipe]
        try:
            what, said = pipe.recv()
        except EOFError:
            process = self._processes[pipe]
            process.join(STOP_S)
            doing = "started" if at is None else f"did {self._tasks[at]}"
            raise Fault(f"a process ended with code {process.exitcode} while it {doing}: nothing is verified") from None
        if what == "told" and at is not None:
            self._told(self._tasks[at], said)
        elif what == "raised":
            raise said[0](said[1])
        elif what == "failed":
            raise RuntimeError(f"in another process:\n{said}")
        else:
            if what == "done" and at is not None:
                self._results[at] = said
            self._give(pipe)

    def _give(self, pipe: Connection) -> None:
        """Give a process the next task, or let it go."""
        if self._next < len(self._tasks):
            self._busy[pipe], task = self._next, self._tasks[self._next]
            self._next += 1
            pipe.send(task)
        else:
            pipe.send(None)
            del self._busy[pipe]
            self._ending.append(self._processes.pop(pipe))

    def _end(self) -> None:
        """Let all end, by force where they have work left."""
        for process in self._processes.values():
            process.terminate()
        for process in (*self._processes.values(), *self._ending):
            process.join(STOP_S)
            if process.exitcode is None:
                process.kill()
