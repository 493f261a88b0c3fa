"""Was anything lost, done twice or done wrong? Outputs, memory and lag of a scene, held against the oracle."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.ledger.logs import Record
from tests.ledger.oracle import Expected, Memory, first_text


@dataclass
class Found:
    """What a scene left behind, by partition; letters are one log. reached: to which offset of the facts the memory has come."""

    outputs: list[list[Record]]
    letters: list[Record]
    memory: list[Memory]
    reached: list[int]
    lags: list[int]


@dataclass
class Verdict:
    """Counts over all partitions. repeated: outputs told again, byte for byte the same; faults: what else is not as it should be."""

    records: int = 0
    outputs: int = 0
    missing: int = 0
    wrong: int = 0
    strange: int = 0
    repeated: int = 0
    astray: int = 0
    memory: int = 0
    lag: int = 0
    faults: list[str] = field(default_factory=list)
    silences_s: list[float] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Nothing is missing, wrong, strange, astray, misremembered or behind."""
        return not (self.missing or self.wrong or self.strange or self.astray or self.memory or self.lag)

    def say(self, what: str) -> None:
        """Note a fault; the first few are enough."""
        if len(self.faults) < 12:
            self.faults.append(what)

    def __str__(self) -> str:
        return (
            f"{self.records} records, {self.outputs} outputs: {self.missing} missing, {self.wrong} wrong, {self.strange} that nobody "
            f"expected, {self.astray} out of order, {self.repeated} repeated, memory of {self.memory} partitions differs, "
            f"lag {self.lag}" + "".join(f"\n  {fault}" for fault in self.faults)
        )


def judge(expected: Expected, found: Found) -> Verdict:
    """Return the verdict over a scene."""
    verdict = Verdict(records=expected.records)
    for partition, (due, told) in enumerate(zip(expected.outputs, found.outputs, strict=True)):
        _judge_outputs(f"partition {partition}", due, told, verdict)
        verdict.silences_s.append(silence(told))
    _judge_outputs("letters", list(expected.letters.items()), found.letters, verdict, ordered=False)
    for partition, (due_memory, memory) in enumerate(zip(expected.memory, found.memory, strict=True)):
        odd = [name for name in due_memory if due_memory[name] != memory.get(name)]
        if odd:
            verdict.memory += 1
            verdict.say(f"partition {partition}: remembers another {', '.join(odd)} than the oracle")
    for partition, (reached, end) in enumerate(zip(found.reached, expected.ends, strict=True)):
        # Markers of transactions may follow the last record: they are nothing to remember.
        if max(reached, 0) < end:
            verdict.memory += 1
            verdict.say(f"partition {partition}: the last record lies before {end}, the memory has come to {reached}")
    for partition, lag in enumerate(found.lags):
        if lag:
            verdict.lag += lag
            verdict.say(f"partition {partition}: the group lags by {lag}")
    return verdict


def _judge_outputs(
    where: str, due: Sequence[tuple[str, bytes]], told: Sequence[Record], verdict: Verdict, *, ordered: bool = True
) -> None:
    right = dict(due)
    first: dict[str, bytes] = {}
    for record in told:
        value = record.value or b""
        one = first_text(value)
        if one not in right:
            verdict.strange += 1
            verdict.say(f"{where} offset {record.offset}: nobody expected {one}")
            continue
        if value != right[one]:
            verdict.wrong += 1
            verdict.say(f"{where} offset {record.offset}: {one} is not what the oracle says, byte for byte")
        if one in first:
            verdict.repeated += value == first[one]
        else:
            first[one] = value
    verdict.outputs += len(first)
    lost = [one for one in right if one not in first]
    verdict.missing += len(lost)
    if lost:
        verdict.say(f"{where}: {len(lost)} missing, the first of them {lost[0]}")
    if ordered and (moved := _moved(right, first)):
        verdict.astray += moved
        verdict.say(f"{where}: {moved} outputs came for the first time after one that should follow them")


def _moved(right: dict[str, bytes], first: dict[str, bytes]) -> int:
    """Return how many first tellings do not follow the order of the input."""
    place = {one: i for i, one in enumerate(right)}
    order = [place[one] for one in first]
    return sum(b < a for a, b in itertools.pairwise(order))


def silence(told: Sequence[Record]) -> float:
    """Return the longest time between two outputs of a partition, seconds."""
    times = sorted(record.appended_at for record in told)
    return max(((b - a) / 1000 for a, b in itertools.pairwise(times)), default=0.0)


def middle(values: Sequence[float]) -> float:
    """Return the median, 0 of nothing."""
    return statistics.median(values) if values else 0.0
