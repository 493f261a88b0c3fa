"""How are our own processes run as children? Started with a log file, ended with their parent, stopped politely, started again."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from affluent.restarts import Restarts, explain
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
    """One `affluent …` command as a process. log: where its output goes, None for ours. program: what the command is given to."""

    name: str
    command: Sequence[str]
    log: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    program: Sequence[str] = (sys.executable, "-m", "affluent")

    def start(self) -> "Child":
        """Start it."""
        parent = os.getpid()
        out = None if self.log is None else self.log.open("ab")
        try:
            self.process = subprocess.Popen(
                [*self.program, *self.command],
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
        self.ask_to_stop()
        if not self.wait(STOP_S):
            self.kill()
        return self.code

    def ask_to_stop(self) -> None:
        """Ask it to finish, if it runs."""
        if self.process is not None and self.code is None:
            self.process.terminate()

    def wait(self, patience_s: float) -> bool:
        """Wait for its end; return whether it came."""
        try:
            if self.process is not None:
                self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it at once and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def workers(name: str, command: Sequence[str], number: int, *, member: str = "") -> list[Child]:
    """Return so many workers that share the work of one. member: the static name set for it, empty for none.

    Two with one static name would put each other out of their group, so each adds its number, the same after every restart.
    """
    own = [{"AFFLUENT_STREAM__MEMBER": f"{member}-{i}"} if member else {} for i in range(number)]
    return [Child(f"{name}-{i}", command, environment=own[i]) for i in range(number)]


_LOOK_S = 0.1


def supervise(
    children: Sequence[Child], say: Callable[[str], None], *, patience: Callable[[], Restarts] = Restarts, stop_s: float = STOP_S
) -> int:
    """Run the children until SIGTERM or Ctrl-C, starting again those that end; return the exit code.

    patience: makes that of one child; when it is over, all stop. stop_s: how long they have, all together, to end when asked.
    """
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stop.append(got))
    restarts = {child.name: patience() for child in children}
    began: dict[str, float] = {}
    due = {child.name: time.monotonic() for child in children}
    gave_up = False
    while not stop and not gave_up:
        now = time.monotonic()
        for child in children:
            if child.name in due:
                if now >= due[child.name]:
                    del due[child.name]
                    began[child.name] = now
                    child.start()
            elif (code := child.code) is not None:
                pause = restarts[child.name].ended(code, now - began[child.name])
                if pause is None:
                    say(f"{child.name} {explain(code)}, {restarts[child.name].give_up_after} times in a row: giving up")
                    gave_up = True
                    break
                say(f"{child.name} {explain(code)}; starting it again {f'in {pause:g} s' if pause else 'at once'}")
                due[child.name] = now + pause
        time.sleep(max(min(_LOOK_S, *(at - now for at in due.values())), 0.0) if due else _LOOK_S)
    failed = _stop_all(children, say, stop_s)
    return 1 if gave_up or failed else 0


def _stop_all(children: Sequence[Child], say: Callable[[str], None], stop_s: float) -> bool:
    """Ask all to finish at once, and end those that do not within stop_s. Return whether any did not end well."""
    running = [child for child in children if child.process is not None and child.code is None]
    for child in running:
        child.ask_to_stop()
    until = time.monotonic() + stop_s
    for child in running:
        if not child.wait(max(until - time.monotonic(), 0.0)):
            say(f"{child.name} did not end within {stop_s:g} s: ending it")
            child.kill()
    # One that was asked before it could listen ends by the signal itself, and that is well.
    return any(child.code not in {0, -signal.SIGTERM} for child in running)
