"""Does a state log give back what was written, whoever else wrote into it?"""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.tables import State, TableSpec
from streams.engine import statelog
from streams.engine.recent import Recent
from streams.engine.statelog import BrokenLog, Epoch, Recovery

SPEC = TableSpec("visits", np.dtype([("n", "i8"), ("x", "f8")]))
OTHER = TableSpec("visits", np.dtype([("n", "i8"), ("y", "f8")]))
RECENT = 60
ALONE, LATE = 4, 3
"""How many epochs in a row a worker writes before it cuts anything off, and how many it can write after it was replaced."""


def hashes(numbers: list[int]) -> np.ndarray:
    return np.array([[n + 1, n] for n in numbers], np.uint64).reshape(-1, 2)


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


def recovered(log: list[bytes], spec: TableSpec = SPEC, first: int = 0) -> tuple[State, int]:
    state = State([spec])
    recovery = Recovery(state, Recent(100, 10), where="here")
    for offset, raw in enumerate(log, first):
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


def test_what_a_stopped_worker_wrote_before_the_snapshot_that_stands_in_for_it_is_no_gap() -> None:
    first = Writer("zombie")
    state, reached = recovered(first.epoch([1, 2]))
    owner = Writer("owner", state, reached)
    owner.epoch([3, 4])
    late = first.epoch([5])  # 2 -> 3, where the owner's log will be cut off
    snapshot = ("visits", owner.state[SPEC].sweep(0, 10))
    log = late + statelog.write(Epoch(4, 5, (snapshot,), (), 0, swept=(4, 7)), writer="owner", number=9)

    assert counts(recovered(log, first=7)[0]) == counts(owner.state)
    with pytest.raises(BrokenLog, match="offsets 3 to 4 of the source are missing"):
        recovered(log, first=8)  # the snapshot was begun in what was cut off


def test_a_log_that_lost_its_beginning_is_refused() -> None:
    writer = Writer("a")
    writer.epoch([1])

    with pytest.raises(BrokenLog, match="offsets 0 to 1 of the source are missing from the state log, and no whole snapshot"):
        recovered(writer.epoch([2]), first=1)


def test_rows_of_an_unknown_table_are_refused_by_its_name() -> None:
    log = Writer("a").epoch([1])

    with pytest.raises(BrokenLog, match="here offset 0: rows of a table 'visits', expected tables: others"):
        recovered(log, TableSpec("others", SPEC.dtype))


def test_rows_of_another_shape_are_refused_even_if_they_have_as_many_bytes() -> None:
    log = Writer("a").epoch([1])

    with pytest.raises(BrokenLog, match="here offset 0: rows of visits have the shape"):
        recovered(log, OTHER)


def test_a_record_that_is_none_is_refused() -> None:
    with pytest.raises(BrokenLog, match="here offset 0: expected a state record, found 0 bytes"):
        recovered([b""])


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_record_with_any_byte_changed_or_its_end_missing_is_refused_by_its_offset(data: st.DataObject) -> None:
    writer = Writer("a")
    log = writer.epoch([1, 2, 3]) + writer.epoch([2, 4], drops=[1])
    raw = log[1]
    at = data.draw(st.integers(0, len(raw) - 1))
    flip = data.draw(st.integers(1, 255))
    cut = data.draw(st.booleans())

    with pytest.raises(BrokenLog, match="here offset 1: "):
        recovered([log[0], raw[:at] if cut else raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :]])


def test_every_single_byte_of_a_record_counts() -> None:
    log = Writer("a").epoch([1, 2])

    for at in range(len(log[0])):
        with pytest.raises(BrokenLog):
            recovered([log[0][:at] + bytes([log[0][at] ^ 0x20]) + log[0][at + 1 :]])


# A log of many epochs by workers that take over from each other, some of which do not know that they were replaced.

facts = st.lists(st.tuples(st.sampled_from(["visit", "visit", "visit", "leave"]), st.integers(0, 25)), min_size=30, max_size=150)


@dataclass
class World:
    """What happened, and the state log as the workers wrote and trimmed it."""

    facts: list[tuple[str, int]]
    log: list[tuple[int, bytes]] = field(default_factory=list)
    end: int = 0
    trims: bool = True

    def oracle(self, reached: int) -> dict[int, int]:
        state: dict[int, int] = {}
        for what, who in self.facts[:reached]:
            if what == "visit":
                state[who] = state.get(who, 0) + 1
            else:
                state.pop(who, None)
        return state

    def append(self, raw: list[bytes]) -> int:
        for each in raw:
            self.log.append((self.end, each))
            self.end += 1
        return self.end - 1

    def trim(self, before: int) -> None:
        self.log = [one for one in self.log if one[0] >= before or not self.trims]

    def recover(self) -> tuple[State, Recent, int]:
        state, recent = State([SPEC]), Recent(RECENT, 10**9)
        recovery = Recovery(state, recent, where="here")
        for offset, raw in self.log:
            recovery.feed(raw, offset)
        return state, recent, max(recovery.finish(), 0)


class Worker:
    """Folds the facts from where the log ends, and tells its state as a partition at work does."""

    def __init__(self, name: str, world: World) -> None:
        self.name, self.world = name, world
        self.state, self.recent, self.reached = world.recover()
        self.last, self.epochs, self.row, self.logged = -1, 0, 0, self.recent.head
        self.began = (-1, -1)
        self.alone, self.late = 0, LATE

    def epoch(self, count: int, limit: int) -> None:
        table, stop = self.state[SPEC], min(self.reached + count, len(self.world.facts))
        if stop == self.reached or self.late == 0:
            return
        for at, (what, who) in enumerate(self.world.facts[self.reached : stop], self.reached):
            slot = table.slots(hashes([who]), create=what == "visit")
            if what == "visit":
                table.rows["n"][slot] += 1
            else:
                table.drop(slot)
            self.recent.add(np.array([at + 1], np.uint64), np.array([at], np.int64))
        table.keep()
        if self.began[0] < 0 <= self.last:
            self.began = (self.reached, self.last + 1)
        rows, ids = [("visits", table.take_changes())], [self.recent.span(self.logged, self.recent.head)]
        complete = False
        if self.last >= 0:
            rows.append(("visits", table.sweep(self.row, 5)))
            self.row += 5
            if complete := self.row >= table.used:
                ids.append(self.recent.span(0, self.recent.head))
        self.logged = self.recent.head
        swept = self.began if complete else (-1, -1)
        told = Epoch(self.reached, stop, tuple(rows), tuple(ids), self.recent.head, swept=swept)
        self.epochs, self.reached = self.epochs + 1, stop
        parts = statelog.write(told, writer=self.name, number=self.epochs, limit=limit)
        self.alone = self.alone + 1 if self.last + 1 == self.world.end else 0
        self.last = self.world.append(parts)
        if complete:
            if self.alone >= ALONE:
                self.world.trim(self.began[1])
            self.row, self.began = 0, (-1, -1)


@settings(deadline=None, max_examples=150)
@given(facts, st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9), st.sampled_from([60, 10_000])), max_size=40), st.data())
def test_whatever_zombies_write_between_the_state_is_that_of_the_facts(told, steps, data: st.DataObject) -> None:
    world = World(told)
    workers = [Worker("w0", world)]
    for who, count, limit in steps:
        if who == 0:  # another takes over; the one before does not know
            workers.append(Worker(f"w{len(workers)}", world))
        else:  # usually the newest goes on; now and then one that was replaced long ago
            worker = workers[-1 if who == 1 else data.draw(st.integers(0, len(workers) - 1))]
            worker.late -= worker is not workers[-1]
            worker.epoch(count, limit)
        state, recent, reached = world.recover()
        assert counts(state) == world.oracle(reached)
        assert reached >= workers[-1].reached
        assert recent.head == reached
        ids = np.arange(max(reached - RECENT, 0), reached, dtype=np.int64)
        assert recent.seen(ids.astype(np.uint64) + 1, ids, np.ones(len(ids), np.bool_)).all()


@settings(deadline=None, max_examples=50)
@given(facts, st.lists(st.integers(1, 9), min_size=3, max_size=20), st.data())
def test_any_prefix_of_a_log_gives_the_state_of_the_facts_it_covers(told, counts_, data: st.DataObject) -> None:
    world = World(told, trims=False)
    worker = Worker("w", world)
    ends = [(0, 0)]
    for count in counts_:
        worker.epoch(count, 10_000)
        ends.append((world.end, worker.reached))
    keep = data.draw(st.integers(1, world.end))
    world.log = [one for one in world.log if one[0] < keep]

    state, _, reached = world.recover()

    assert reached == max(r for end, r in ends if end <= keep)
    assert counts(state) == world.oracle(reached)
