"""Is work that is shared among processes done once, told truly, and never waited for in vain?"""

import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from infra.errors import Fault, Unavailable
from streams.replay.pool import run
from tests.unit.streams.pool_work import doing, refusing

TASKS = [f"task {i}" for i in range(7)]


@pytest.mark.parametrize("jobs", [1, 2, 12])
def test_results_come_in_the_order_of_the_tasks_and_progress_with_its_task(jobs: int) -> None:
    told: list[tuple[str, int]] = []

    results = run(TASKS, doing, jobs=jobs, told=lambda task, n: told.append((task, n)))

    assert [task for task, _ in results] == TASKS
    assert sorted(told) == sorted((task, n) for task in TASKS for n in (2, 3))
    assert (os.getpid() in {pid for _, pid in results}) == (jobs == 1)


@pytest.mark.parametrize(
    ("task", "expected", "says"),
    [
        ("fault:", Fault, "the log is not what it was"),
        ("away:", Unavailable, "nobody is there"),
        ("bug:", RuntimeError, "ZeroDivisionError: ours"),
        ("die:", Fault, "ended with code 9 while it did die:"),
    ],
)
def test_whatever_ends_a_process_is_told_as_it_is(task: str, expected: type[Exception], says: str) -> None:
    with pytest.raises(expected, match=says):
        run(["task 1", task, "task 2"], doing, jobs=2)


def test_what_cannot_begin_says_why() -> None:
    with pytest.raises(Fault, match="no brokers are known"):
        run(TASKS, refusing, jobs=2)


def test_no_process_is_left_behind_when_one_fails(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    failed: list[BaseException] = []

    def go() -> None:
        try:
            run([f"wait:{note}", "task 1"], doing, jobs=2, told=stop_at_one)
        except KeyboardInterrupt as interrupted:
            failed.append(interrupted)

    def stop_at_one(task: str, _n: int) -> None:
        if task == "task 1":
            stop()

    def stop() -> None:
        deadline = time.monotonic() + 60
        while not note.exists() or not note.read_text():
            assert time.monotonic() < deadline
        raise KeyboardInterrupt

    thread = threading.Thread(target=go)
    thread.start()
    thread.join(90)

    assert failed
    assert not psutil.pid_exists(int(note.read_text()))
