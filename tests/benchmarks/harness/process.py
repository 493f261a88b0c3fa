"""How is a program started, watched and ended? As a process on its core, with all its threads and children counted."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.benchmarks.harness import cores

ROOT = Path(__file__).parents[3]
STOP_S = 15.0
_PR_SET_PDEATHSIG = 1


@dataclass
class Watched:
    """A process under test. log: what it printed."""

    words: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    on: Sequence[int] = field(default_factory=cores.worker_cores)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> "Watched":
        """Start it on its cores; it ends with us, however we end."""
        parent = os.getpid()
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, *self.words],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                preexec_fn=lambda: self._placed(parent),  # noqa: PLW1509  # system calls, no lock that a thread may hold
            )
        return self

    def _placed(self, parent: int) -> None:
        cores.hold(self.on)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return None if self.process is None else self.process.poll()

    def family(self) -> list[psutil.Process]:
        """Return it and its children."""
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.pid)
            return [parent, *parent.children(recursive=True)]
        return []

    def cpu_s(self) -> float:
        """Return processor seconds used so far, user and system, by all threads and children."""
        total = 0.0
        for each in self.family():
            with suppress(psutil.Error):
                used = each.cpu_times()
                total += used.user + used.system
        return total

    def threads(self) -> dict[int, float]:
        """Return processor seconds by thread of the process itself."""
        with suppress(psutil.Error):
            return {each.id: each.user_time + each.system_time for each in psutil.Process(self.pid).threads()}
        return {}

    def peak_mb(self) -> float:
        """Return the sum of the most memory that each process of it ever held, MB."""
        return sum(_status(each.pid, "VmHWM") for each in self.family())

    def resident_mb(self) -> float:
        """Return the memory it holds now, MB."""
        return sum(_status(each.pid, "VmRSS") for each in self.family())

    def said(self) -> str:
        """Return all that it printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def last_words(self) -> str:
        """Return the last line that it printed."""
        lines = [line for line in self.said().splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"

    def wait_for(self, word: str, within_s: float) -> str:
        """Wait until it prints a line with the word and return that line. Raises RuntimeError if it ends or stays silent."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            for line in self.said().splitlines():
                if word in line:
                    return line
            if self.code is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"{' '.join(self.words)} did not say {word!r}: {self.last_words()}")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def stop(self) -> int | None:
        """Ask it to end, kill it after STOP_S; returns the exit code."""
        if self.process is None:
            return None
        family = self.family()
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            for each in family:
                with suppress(psutil.Error):
                    each.kill()
            self.process.wait()
        return self.process.returncode


def _status(pid: int, name: str) -> float:
    """Return a line of /proc/PID/status in MB; 0 where there is none."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
    return 0.0
