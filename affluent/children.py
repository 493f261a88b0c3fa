"""How are our own processes run as children? Started with a log file, ended with their parent, stopped politely."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.errors import Fault

STOP_S = 10.0
_PR_SET_PDEATHSIG = 1


def _die_with(parent: int) -> None:
    """On Linux, ask the kernel to end us when the parent ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)


@dataclass
class Child:
    """One `affluent …` command as a process. log: where its output goes, None for ours."""

    name: str
    command: Sequence[str]
    log: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> "Child":
        """Start it."""
        parent = os.getpid()
        out = None if self.log is None else self.log.open("ab")
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "affluent", *self.command],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
                preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509  # we start no threads before
            )
        finally:
            if out is not None:
                out.close()
        return self

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return None if self.process is None else self.process.poll()

    def require_alive(self) -> None:
        """Raise Fault with its last words if it has ended."""
        if self.code is not None:
            raise Fault(f"`affluent {' '.join(self.command)}` ended with code {self.code}: {self.last_words()}")

    def last_words(self) -> str:
        """Return the last line of its log."""
        if self.log is None or not self.log.exists():
            return "see above"
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return f"{lines[-1] if lines else 'it said nothing'} (log: {self.log})"

    def stop(self) -> int | None:
        """Ask it to finish and wait; kill it after STOP_S. Returns the exit code."""
        if self.process is None or self.process.poll() is not None:
            return self.code
        self.process.terminate()
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


FIRST_PAUSE_S, LONGEST_PAUSE_S, HEALTHY_S, GIVE_UP_AFTER = 1.0, 30.0, 60.0, 5


def supervise(children: Sequence[Child], say: Callable[[str], None]) -> int:
    """Run the children until SIGTERM or Ctrl-C; start again those that end, ever more slowly while they keep ending.

    A crash loop would make the whole group rebalance without end, so after GIVE_UP_AFTER quick ends in a row all stop. Returns
    the exit code.
    """
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stop.append(got))
    began = {child.name: time.monotonic() for child in children}
    quick = dict.fromkeys(began, 0)
    due: dict[str, float] = {}
    for child in children:
        child.start()
    code = 0
    while not stop:
        time.sleep(0.2)
        now = time.monotonic()
        for child in children:
            if child.code is None:
                continue
            if child.name not in due:
                quick[child.name] = 0 if now - began[child.name] > HEALTHY_S else quick[child.name] + 1
                if quick[child.name] >= GIVE_UP_AFTER:
                    say(f"{child.name} ended {GIVE_UP_AFTER} times in a row with code {child.code}: giving up")
                    code, stop = 1, [0]
                    break
                pause = min(FIRST_PAUSE_S * 2 ** quick[child.name], LONGEST_PAUSE_S)
                say(f"{child.name} ended with code {child.code}; starting it again in {pause:g} s")
                due[child.name] = now + pause
            elif now >= due[child.name]:
                del due[child.name]
                began[child.name] = now
                child.start()
    for child in children:
        if child.process is not None and child.process.poll() is None:
            child.process.terminate()
    ends = [child.stop() for child in children]
    return code or max((abs(end or 0) for end in ends), default=0)
