"""Does the supervisor keep workers running, lose patience with those that keep ending, and leave nobody behind?"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affluent.children import workers
from affluent.restarts import Restarts, explain
from streams.engine.watchdog import STUCK

ROOT = Path(__file__).parents[3]
SUPERVISE = """
import os, sys
from affluent.children import Child, supervise
from affluent.restarts import Restarts
program, number, first, stop_s, healthy = sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:6])
patience = lambda: Restarts(first_pause_s=first, longest_pause_s=8 * first, healthy_s=healthy)
children = [Child(f"worker-{i}", [str(i)], program=(sys.executable, "-c", program)) for i in range(number)]
sys.exit(supervise(children, lambda text: os.write(1, f"{text}\\n".encode()), patience=patience, stop_s=stop_s))
"""
SAYS_WHO = "import os, signal, sys, time; os.write(1, f'started {os.getpid()} {time.monotonic()}\\n'.encode()); "
"""In one write, for all of them share a pipe."""
POLITE = SAYS_WHO + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SAYS_WHO + "time.sleep(60)"


class Supervisor:
    """A real supervisor of real processes, and what all of them say."""

    def __init__(
        self, program: str, *, workers: int = 1, first_pause_s: float = 0.02, stop_s: float = 10, healthy_s: float = 60
    ) -> None:
        words = [program, str(workers), str(first_pause_s), str(stop_s), str(healthy_s)]
        self.process = subprocess.Popen([sys.executable, "-c", SUPERVISE, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.started: list[int] = []
        self.began: list[float] = []
        self.said: list[str] = []

    def line(self) -> str:
        """Read the next line; empty at the end."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if line.startswith("started"):
            _, pid, began = line.split()
            self.started.append(int(pid))
            self.began.append(float(began))
        elif line:
            self.said.append(line)
        return line

    def until_started(self, workers: int) -> None:
        """Read until so many starts were told."""
        while len(self.started) < workers:
            assert self.line(), f"it ended: {self.said}"

    def end(self) -> int:
        """Read all there is and return the exit code."""
        while self.line():
            pass
        return self.process.wait()


@pytest.fixture
def supervised() -> Iterator[Callable[..., Supervisor]]:
    """Starts supervisors and ends what a failed test leaves."""
    made: list[Supervisor] = []

    def make(*words: str, **more: float) -> Supervisor:
        made.append(Supervisor(*words, **more))  # type: ignore[arg-type]  # the numbers of its own signature
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        for pid in one.started:
            if psutil.pid_exists(pid):
                psutil.Process(pid).kill()


def gone(pid: int) -> bool:
    """Return whether a process ends soon."""
    try:
        psutil.Process(pid).wait(10)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_a_worker_that_keeps_ending_is_started_after_longer_and_longer_pauses_and_then_no_more(supervised) -> None:
    one = supervised(SAYS_WHO + "sys.exit(3)", first_pause_s=0.02)

    assert one.end() == 1
    assert len(one.started) == 5
    assert one.said == [
        *(f"worker-0 ended with code 3; starting it again in {pause:g} s" for pause in (0.04, 0.08, 0.16, 0.16)),
        "worker-0 ended with code 3, 5 times in a row: giving up",
    ]
    gaps = [later - sooner for sooner, later in zip(one.began, one.began[1:], strict=False)]
    assert all(gap >= pause for gap, pause in zip(gaps, (0.04, 0.08, 0.16, 0.16), strict=True))


def test_the_others_are_stopped_when_it_gives_up_with_one(supervised) -> None:
    one = supervised("import sys; sys.argv[1] == '0' and sys.exit(1); " + POLITE, workers=3, first_pause_s=0.01)

    one.until_started(2)
    assert one.end() == 1
    assert all(gone(pid) for pid in one.started)
    assert one.said[-1] == "worker-0 failed; its last line says why, 5 times in a row: giving up"


def test_a_killed_worker_comes_back_and_the_others_do_not_notice(supervised) -> None:
    one = supervised(POLITE, workers=2)
    one.until_started(2)

    os.kill(one.started[0], signal.SIGKILL)
    one.until_started(3)

    assert "was ended by SIGKILL" in one.said[0]
    assert psutil.pid_exists(one.started[1])
    one.process.send_signal(signal.SIGTERM)
    assert one.end() == 0


def test_a_stuck_worker_that_ran_for_long_starts_again_at_once(supervised) -> None:
    one = supervised(SAYS_WHO + f"time.sleep(0.05); sys.exit({STUCK})", first_pause_s=30, healthy_s=0.01)

    one.until_started(3)

    assert set(one.said) == {"worker-0 was stuck: records waited and nothing was done; starting it again at once"}


def test_all_end_well_when_the_supervisor_is_asked_to_stop(supervised) -> None:
    one = supervised(POLITE, workers=3)
    one.until_started(3)

    one.process.send_signal(signal.SIGTERM)

    assert one.end() == 0
    assert all(gone(pid) for pid in one.started)
    assert one.said == []


def test_those_that_do_not_listen_are_ended_together_when_the_time_is_over(supervised) -> None:
    one = supervised(DEAF, workers=3, stop_s=0.2)
    one.until_started(3)

    one.process.send_signal(signal.SIGTERM)

    assert one.end() == 1
    assert all(gone(pid) for pid in one.started)
    assert one.said == [f"worker-{i} did not end within 0.2 s: ending it" for i in range(3)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_nobody_is_left_when_the_supervisor_is_killed(supervised) -> None:
    one = supervised(POLITE, workers=3)
    one.until_started(3)

    one.process.kill()

    assert one.process.wait() == -signal.SIGKILL
    assert all(gone(pid) for pid in one.started)


def test_workers_with_a_static_name_have_one_each_and_keep_it() -> None:
    two = workers("stream-x", ["stream", "x"], 2, member="here")
    assert [(child.name, child.environment) for child in two] == [
        ("stream-x-0", {"AFFLUENT_STREAM__MEMBER": "here-0"}),
        ("stream-x-1", {"AFFLUENT_STREAM__MEMBER": "here-1"}),
    ]
    assert [child.environment for child in workers("stream-x", ["stream", "x"], 2)] == [{}, {}]


@given(st.lists(st.floats(0, 60), min_size=5, max_size=5), st.integers(-15, 255))
def test_five_quick_ends_in_a_row_are_the_end_of_patience(runs: list[float], code: int) -> None:
    restarts = Restarts()
    pauses = [restarts.ended(code, ran_s) for ran_s in runs]
    assert pauses == [2.0, 4.0, 8.0, 16.0, None]


@given(st.lists(st.floats(0, 60), max_size=4))
def test_a_long_run_forgives_the_quick_ends_before_it(runs: list[float]) -> None:
    restarts = Restarts()
    for ran_s in runs:
        assert restarts.ended(1, ran_s) is not None
    assert restarts.ended(1, 60.1) == 1.0
    assert restarts.ended(1, 0.1) == 2.0


def test_being_stuck_is_restarted_at_once_after_a_long_run_only() -> None:
    restarts = Restarts()
    assert restarts.ended(STUCK, 300.0) == 0.0
    assert restarts.ended(STUCK, 5.0) == 2.0
    assert restarts.ended(STUCK, 5.0) == 4.0


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (0, "by itself"), (1, "last line says why"), (2, "settings"), (STUCK, "stuck"), (-15, "SIGTERM"), (-9, "memory"),
        (-99, "signal 99"), (7, "code 7"),
    ],
)  # fmt: skip
def test_every_end_is_explained(code: int, says: str) -> None:
    assert says in explain(code)
