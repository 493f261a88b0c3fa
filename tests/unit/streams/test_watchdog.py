"""Does the watchdog bite when, and only when, the worker is stuck?"""

from streams.engine.watchdog import Watchdog


class Worker:
    """What the watchdog sees; `bitten` collects what it said."""

    def __init__(self, behind: int | None) -> None:
        self.now, self.done, self.behind = 0.0, 0, behind
        self.bitten: list[tuple[float, int]] = []
        self.dog = Watchdog(
            progress=lambda: self.done, behind=lambda: self.behind, patience_s=10,
            stuck=lambda seconds, records: self.bitten.append((seconds, records)), clock=lambda: self.now,
        )  # fmt: skip

    def pass_time(self, seconds: int, *, work: bool = False) -> None:
        for _ in range(seconds):
            self.now += 1
            self.done += work
            self.dog.look()


def test_no_progress_while_records_wait_is_stuck() -> None:
    worker = Worker(behind=5)
    worker.pass_time(9)
    assert worker.bitten == []
    worker.pass_time(1)
    assert worker.bitten == [(10, 5)]


def test_progress_starts_the_patience_anew() -> None:
    worker = Worker(behind=5)
    for _ in range(5):
        worker.pass_time(9)
        worker.pass_time(1, work=True)
    assert worker.bitten == []


def test_without_work_nobody_is_stuck() -> None:
    worker = Worker(behind=0)
    worker.pass_time(100)
    assert worker.bitten == []


def test_while_kafka_does_not_answer_the_worker_waits_and_is_given_its_patience_again_afterwards() -> None:
    worker = Worker(behind=None)
    worker.pass_time(100)
    worker.behind = 7
    worker.pass_time(9)
    assert worker.bitten == []
    worker.pass_time(1)
    assert worker.bitten == [(10, 7)]
