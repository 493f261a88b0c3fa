"""Is what cannot be replayed told before any work begins?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from infra.errors import Fault
from schemas.columns import Records
from schemas.dispatch import ASSIGNMENTS, DELAY_PREDICTED
from schemas.letters import DEAD_LETTERS
from streams.replay.plan import Asked, Task, tasks
from tests.toy import TOY

AGENT = TOY.agents["count_jobs"]
NAME, SOURCE = AGENT.name, ASSIGNMENTS.name


@dataclass
class Bounds:
    """A log of which only the sizes are known."""

    counts: dict[str, int] = field(
        default_factory=lambda: {SOURCE: 3, DELAY_PREDICTED.name: 3, DEAD_LETTERS.name: 3, AGENT.state_topic.name: 3}
    )

    def partitions(self, topic: str) -> int:
        return self.counts.get(topic, 0)

    def bounds(self, _topic: str, partition: int) -> tuple[int, int]:
        return (5, 100 + partition) if partition == 2 else (0, 100 + partition)

    def stretch(self, _topic: str, _partition: int, _start: int, _stop: int) -> Iterator[Records]:
        raise AssertionError("a plan reads nothing")


ALL = Asked()


def plan(asked: Asked = ALL, *, log: Bounds | None = None, verify: bool = True) -> list[Task]:
    since: Callable[[str, int, int], int] = lambda _topic, partition, ms: ms // 10 + partition  # noqa: E731
    return tasks(log or Bounds(), [AGENT], asked, since, verify=verify)


def test_all_is_done_unless_something_is_asked_for() -> None:
    assert plan() == [Task(NAME, number, 0, 100 + number) for number in range(3)]
    assert plan(Asked(partition=1)) == [Task(NAME, 1, 0, 101)]
    assert plan(Asked(partition=1, start=7)) == [Task(NAME, 1, 7, 101)]
    assert plan(Asked(partition=1, start=7, stop=9)) == [Task(NAME, 1, 7, 9, reach=False)]


def test_moments_become_offsets_of_each_partition() -> None:
    assert plan(Asked(since_ms=200, until_ms=500)) == [Task(NAME, number, 20 + number, 50 + number) for number in range(3)]
    assert plan(Asked(since_ms=500, until_ms=200))[0] == Task(NAME, 0, 20, 20)


@pytest.mark.parametrize(
    ("asked", "missing", "says"),
    [
        (Asked(), SOURCE, f"there is no topic {SOURCE}"),
        (Asked(), DELAY_PREDICTED.name, f"there is no topic {DELAY_PREDICTED.name}"),
        (Asked(), DEAD_LETTERS.name, f"there is no topic {DEAD_LETTERS.name}"),
        (Asked(), AGENT.state_topic.name, f"{NAME} has never run here"),
        (Asked(partition=3), "", r"--partition: .* the partitions 0 to 2, found 3"),
        (Asked(partition=0, start=101), "", r"--from: .*\[0\] has the offsets 0 to 100, found 101"),
        (Asked(partition=0, stop=101), "", r"--to: .*\[0\] has the offsets 0 to 100, found 101"),
        (Asked(partition=2, start=4), "", r"--from: .*\[2\] has the offsets 5 to 102, found 4"),
    ],
)
def test_what_the_log_does_not_have_is_said(asked: Asked, missing: str, says: str) -> None:
    log = Bounds()
    log.counts.pop(missing, None)

    with pytest.raises(Fault, match=says):
        plan(asked, log=log)


def test_what_is_only_counted_needs_no_outputs() -> None:
    log = Bounds({SOURCE: 1})

    assert plan(log=log, verify=False) == [Task(NAME, 0, 0, 100)]
