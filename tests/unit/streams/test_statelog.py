"""Does a state log give back what was written, whoever else wrote into it?"""

import numpy as np
import pytest

from models.tables import State, TableSpec
from streams.engine import statelog
from streams.engine.recent import Recent
from streams.engine.statelog import BrokenLog, Epoch, Recovery

SPEC = TableSpec("visits", np.dtype([("n", "i8"), ("x", "f8")]))


def hashes(numbers: list[int]) -> np.ndarray:
    return np.array([[n + 1, n] for n in numbers], np.uint64)


class Writer:
    """A worker that counts its records by key: one epoch a call."""

    def __init__(self, name: str, state: State | None = None, reached: int = 0) -> None:
        self.name, self.reached, self.epochs = name, reached, 0
        self.state, self.recent = state or State([SPEC]), Recent(100, 10)

    def epoch(self, numbers: list[int], drops: list[int] = [], limit: int = 10_000) -> list[bytes]:  # noqa: B006
        table = self.state[SPEC]
        for slot in table.slots(hashes(numbers)).tolist():
            table.rows["n"][slot] += 1
        if drops:
            table.drop(table.slots(hashes(drops), create=False))
        table.keep()
        start, self.reached = self.reached, self.reached + len(numbers)
        epoch = Epoch(
            start, self.reached, (("visits", table.take_changes()),), (), 0, {"m": f"v{self.reached}"}, {"s": self.reached}
        )
        self.epochs += 1
        return statelog.write(epoch, writer=self.name, number=self.epochs, limit=limit)


def recovered(log: list[bytes]) -> tuple[State, int]:
    state = State([SPEC])
    recovery = Recovery(state, Recent(100, 10), where="here")
    for offset, raw in enumerate(log):
        recovery.feed(raw, offset)
    reached = recovery.finish()
    return state, reached


def counts(state: State) -> dict[int, int]:
    image = state[SPEC].image()
    return {int(key[1]): int(row["n"]) for key, row in zip(image.keys, image.rows, strict=True)}


def test_state_comes_back_with_its_models_and_numbers() -> None:
    writer = Writer("a")
    log = writer.epoch([1, 2, 1]) + writer.epoch([2, 3], drops=[1])

    state, reached = recovered(log)

    assert (counts(state), reached) == ({2: 2, 3: 1}, 5)
    assert (state.models, state.numbers) == ({"m": "v5"}, {"s": 5})


def test_an_epoch_in_parts_counts_only_when_all_have_come() -> None:
    writer = Writer("a")
    log = writer.epoch([1])
    parts = writer.epoch(list(range(100)), limit=500)
    assert len(parts) > 3

    assert recovered(log + parts[:-1])[1] == 1
    assert recovered(log + parts)[1] == 101


def test_what_a_stopped_worker_writes_late_changes_nothing() -> None:
    first = Writer("zombie")
    log = first.epoch([1, 2])
    state, reached = recovered(log)
    second = Writer("heir", state, reached)
    log += second.epoch([1, 5, 6, 7], drops=[2])
    want = counts(second.state)

    log += first.epoch([1, 5])  # the zombie wakes and finishes an old stretch

    assert counts(recovered(log)[0]) == want


def test_a_gap_is_refused() -> None:
    writer = Writer("a")
    log = writer.epoch([1])
    writer.epoch([2])

    with pytest.raises(BrokenLog, match="offsets 1 to 2 of the source are missing"):
        recovered(log + writer.epoch([3]))


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-1], lambda raw: raw[:40] + bytes([raw[40] ^ 1]) + raw[41:], lambda raw: b""]
)
def test_a_damaged_record_is_refused_by_its_offset(damage) -> None:
    log = Writer("a").epoch([1])

    with pytest.raises(BrokenLog, match=r"here offset 0: "):
        recovered([damage(log[0])])
