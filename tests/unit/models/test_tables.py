"""Do tables keep, log and put back rows as a plain dict would, while they grow and shrink?"""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import memory, rows
from models.tables import Image, State, Table, TableSpec

SPEC = TableSpec("visits", np.dtype([("n", "i8"), ("tag", "u1", (5,)), ("x", "f8")]))
SWEPT_A_CUT = 150


@pytest.fixture(params=["one place", "moving"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small tables do all that large ones do: walk from index to index in short steps, compact, and move if they must."""
    for name, value in {"_SMALL_INDEX": 8, "_WALK_ALWAYS": 4, "_WALK_A_KEY": 1, "_WORTH_COMPACTING": 100}.items():
        monkeypatch.setattr(rows, name, value)
    if request.param == "moving":
        monkeypatch.setattr(memory, "reservable", lambda: False)


def hashes(numbers: list[int], clash: int = 7) -> np.ndarray:
    # The low words collide on purpose: probing must tell keys apart by both words.
    # A clash below 0 puts homes at the end of any index, where probes go on at its beginning.
    lows = [2**64 - 1 - n % -clash if clash < 0 else n % clash for n in numbers]
    return np.array([[n * 7919 + 1, low] for n, low in zip(numbers, lows, strict=True)], np.uint64).reshape(-1, 2)


def number(key: list[int]) -> int:
    return (key[0] - 1) // 7919


def told(image: Image) -> dict[int, int]:
    return {number(key): int(row["n"]) for key, row in zip(image.keys.tolist(), image.rows, strict=False)}


def put(replica: dict[int, int], image: Image) -> None:
    replica |= told(image)
    for key in image.keys[len(image.rows) :].tolist():
        replica.pop(number(key), None)


ranges = st.tuples(st.integers(0, 900), st.integers(1, 250))
edits = st.lists(st.tuples(st.sampled_from(["touch", "touch", "drop", "drop most", "look"]), ranges), max_size=4)
programs = st.lists(st.tuples(edits, st.sampled_from(["keep", "keep", "fail"]), st.booleans()), max_size=25)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(programs, st.sampled_from([7, 200, 1 << 40, -50]), st.integers(0, 300))
def test_a_table_is_a_dict_whatever_it_goes_through(small: None, program: list, clash: int, sweep_rows: int) -> None:
    table = Table(SPEC)
    model: dict[int, int] = {}
    logged: dict[int, int] = {}
    rolling: dict[int, int] = {}
    swept = 0
    for steps, end, cuts in program:
        before = dict(model)
        for what, (first, count) in steps:
            numbers = [n % 1000 for n in range(first, first + count)]
            keys = hashes(numbers, clash)
            if what == "touch":
                slots = table.slots(keys)
                table.rows["n"][slots] += [n + 1 for n in numbers]
                model |= {n: model.get(n, 0) + n + 1 for n in numbers}
            elif what == "look":
                found, known = table.find(keys), table.slots(keys, create=False)
                assert found.tolist() == known.tolist()
                assert (found >= 0).tolist() == [n in model for n in numbers]
            else:
                gone = numbers if what == "drop" else [n for n in model if n % 50]
                slots = table.slots(hashes(gone, clash), create=False) if what == "drop" else table.find(hashes(gone, clash))
                table.drop(slots)
                model = {n: value for n, value in model.items() if n not in set(gone)}
        if end == "fail":
            table.restore()
            model = before
        else:
            table.keep()
        assert told(table.image()) == model
        assert len(table) == len(model)
        assert not table.rows["n"][table.used :].any()
        if cuts:
            changes = table.take_changes()
            step = table.sweep(swept, sweep_rows)
            for replica in (logged, rolling):
                put(replica, changes)
            put(rolling, step)
            assert logged == model
            swept += sweep_rows
            if swept >= table.used and sweep_rows:
                assert rolling == model
                rolling, swept = {}, 0


@pytest.mark.usefixtures("small")
def test_growing_in_the_middle_of_a_batch_loses_nothing_and_can_be_taken_back() -> None:
    table = Table(SPEC)
    table.rows["n"][table.slots(hashes([1, 2, 3]))] = [10, 20, 30]
    table.keep()

    slots = table.slots(hashes(list(range(5000)), 1 << 40))
    table.rows["n"][slots] += 1
    table.restore()

    assert told(table.image()) == {1: 10, 2: 20, 3: 30}


def test_rows_stay_where_they_are_while_a_table_grows() -> None:
    table = Table(SPEC)
    table.slots(hashes([1]))
    place = table.rows.ctypes.data

    table.slots(hashes(list(range(100_000)), 1 << 40))

    assert (table.rows.ctypes.data == place) is memory.reservable()
    assert len(table.rows) >= 100_000


def test_a_new_row_is_all_zeros_even_where_another_key_lived() -> None:
    table = Table(SPEC)
    table.rows["n"][table.slots(hashes([1]))] = 9
    table.drop(table.slots(hashes([1]), create=False))
    table.keep()

    assert table.rows["n"][table.slots(hashes([2]))].tolist() == [0]


def test_a_key_that_comes_back_in_the_batch_that_dropped_it_begins_anew_and_a_failure_brings_the_old_one_back() -> None:
    table = Table(SPEC)
    table.rows["n"][table.slots(hashes([1]))] = 9
    table.keep()
    table.drop(table.slots(hashes([1])))
    assert table.rows["n"][table.slots(hashes([1]))].tolist() == [0]

    table.restore()

    assert told(table.image()) == {1: 9}


def test_asking_without_creating_leaves_no_key_behind() -> None:
    table = Table(SPEC)

    assert table.slots(hashes([1, 2]), create=False).tolist() == [-1, -1]
    assert len(table) == 0


def test_what_is_only_looked_at_is_not_logged() -> None:
    table = Table(SPEC)
    table.slots(hashes([1, 2]))
    table.keep()
    table.take_changes()
    table.find(hashes([1]))
    table.keep()

    assert len(table.take_changes().keys) == 0


@pytest.mark.usefixtures("small")
def test_a_table_that_loses_most_of_its_keys_gives_their_memory_back() -> None:
    table = Table(SPEC)
    many = list(range(20_000))
    slots = table.slots(hashes(many, 1 << 40))
    table.rows["n"][slots] = many
    table.keep()
    full = table.capacity_bytes

    table.drop(table.slots(hashes(many[100:], 1 << 40), create=False))
    table.keep()
    for _ in range(20_000):  # the index shrinks in steps, too
        table.slots(hashes([1], 1 << 40))
        table.keep()

    assert table.used == 100
    assert 5 * (table.capacity_bytes - buffers(table)) < full - buffers(table)
    assert told(table.image()) == {n: n for n in range(100)}


def buffers(table: Table) -> int:
    """What a table holds to take a batch back: as large as the largest batch."""
    return int(table._most_touched * (SPEC.dtype.itemsize + 32) + table._dirty.nbytes)


def test_keys_that_come_and_go_for_long_need_no_more_room_than_those_there_at_once() -> None:
    table, rng = Table(SPEC), random.Random(1)
    for _ in range(300):
        numbers = rng.sample(range(10**6), 200)
        table.drop(table.slots(hashes(numbers, 1 << 40)))
        table.keep()

    assert table.used <= 200
    assert len(table._new) <= 2048


def test_a_bundle_that_may_not_be_used_leaves_the_old_one_in_force() -> None:
    state = State([SPEC], {"good": "the good one"}.get)
    state.swap("delay", "good")
    state.swap("delay", "flipped")

    assert state.champion("delay") == "the good one"
    assert state.refused == {"delay": "flipped"}
    assert state.take_counts() == {"bundle_refused": 1}
