"""How are workers started, struck and stopped? As processes of a fork server that has everything loaded."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.ledger.scene import Scene
from tests.ledger.worker import child

START_S, STOP_S = 30.0, 15.0


def _context() -> multiprocessing.context.ForkServerContext:
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["tests.ledger.warmed"])
    return made


@dataclass
class Worker:
    """One process of a scene. code: how it ended, None while it runs; negative by a signal."""

    scene: Scene
    process: ForkServerProcess
    log: Path

    @property
    def code(self) -> int | None:
        return self.process.exitcode

    def signal(self, number: int) -> None:
        """Send it a signal; it must be alive."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, patience_s: float = 60.0) -> int | None:
        """Wait for its end and return its exit code, None if it does not end."""
        self.process.join(patience_s)
        return self.code

    def await_start(self) -> None:
        """Wait until its engine starts: before that a signal ends it as it ends any program."""
        deadline = time.monotonic() + START_S
        while "Engine]: Starting" not in self.said():
            assert self.code is None, f"worker ended with {self.code} at its start: {self.words()}"
            assert time.monotonic() < deadline, f"worker did not start within {START_S} s: {self.words()}"
            time.sleep(0.02)

    def stop(self) -> float:
        """Stop it politely and return how long that took; it must end well."""
        self.await_start()
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        code = self.wait(STOP_S)
        took = time.monotonic() - began
        assert code == 0, f"worker ended with {code} after {took:.1f} s: {self.words()}"
        return took

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def words(self, lines: int = 12) -> str:
        """Return the last lines of its log."""
        return "\n".join(self.said().splitlines()[-lines:])


@dataclass
class Fleet:
    """The workers of a scene. stops: how long each polite stop took, seconds; kills: how often one was ended."""

    scene: Scene
    workers: list[Worker] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    kills: int = 0
    _count: int = 0

    def start(self, scene: Scene | None = None) -> Worker:
        """Start one more."""
        scene = scene or self.scene
        log = Path(scene.folder) / "logs" / f"{scene.name}-{self._count}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        self._count += 1
        process = _context().Process(target=child, args=(scene, str(log)), daemon=True)
        process.start()
        worker = Worker(scene, process, log)
        self.workers.append(worker)
        return worker

    def kill(self, worker: Worker) -> None:
        """End one at once."""
        worker.kill()
        self.workers.remove(worker)
        self.kills += 1

    def ended(self, worker: Worker, patience_s: float = 60.0) -> int | None:
        """Wait for one that must end by itself, and return its exit code."""
        code = worker.wait(patience_s)
        self.workers.remove(worker)
        return code

    def stop(self, worker: Worker) -> None:
        """Stop one politely."""
        self.workers.remove(worker)
        self.stops.append(worker.stop())

    def require_alive(self) -> None:
        """Fail if one has ended by itself."""
        for worker in self.workers:
            assert worker.code is None, f"worker ended by itself with {worker.code}:\n{worker.words()}"


@contextmanager
def fleet(scene: Scene, n: int = 0) -> Iterator[Fleet]:
    """Hold n workers of a scene, or as many as are started; those that are left are stopped politely at the end."""
    held = Fleet(scene)
    try:
        for _ in range(n):
            held.start()
        yield held
        held.require_alive()
        for worker in list(held.workers):
            held.stop(worker)
    finally:
        for worker in held.workers:
            with suppress(ProcessLookupError):
                worker.signal(signal.SIGKILL)
