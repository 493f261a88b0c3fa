"""Do tables keep, log and put back rows as a plain dict would?"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.tables import State, Table, TableSpec

SPEC = TableSpec("visits", np.dtype([("n", "i8"), ("x", "f8")]))

keys = st.lists(st.integers(0, 60), min_size=1, max_size=20)
batches = st.lists(st.tuples(st.lists(st.tuples(keys, keys), max_size=3), st.booleans(), st.booleans()), max_size=40)


def hashes(numbers: list[int]) -> np.ndarray:
    # The low words collide on purpose: probing must tell keys apart by both words.
    return np.array([[n * 7919 + 1, n % 7] for n in numbers], np.uint64)


def as_dict(image) -> dict[tuple[int, ...], int]:
    return {tuple(key): int(row["n"]) for key, row in zip(image.keys.tolist(), image.rows, strict=False)}


@settings(max_examples=60, deadline=None)
@given(batches)
def test_a_table_is_a_dict_that_can_forget_a_failed_batch_and_log_a_good_one(steps) -> None:
    table = Table(SPEC)
    model: dict[int, int] = {}
    logged: dict[tuple[int, ...], int] = {}
    for edits, fails, cuts in steps:
        before = dict(model)
        for touched, dropped in edits:
            for number, slot in zip(touched, table.slots(hashes(touched)).tolist(), strict=True):
                table.rows["n"][slot] += number + 1
                model[number] = model.get(number, 0) + number + 1
            table.drop(table.slots(hashes(dropped), create=False))
            for number in dropped:
                model.pop(number, None)
        if fails:
            table.restore()
            model = before
        else:
            table.keep()
        if cuts:
            image = table.take_changes()
            for key in image.keys[len(image.rows) :].tolist():
                logged.pop(tuple(key), None)
            logged |= as_dict(image)
            assert logged == {tuple(hashes([n])[0].tolist()): value for n, value in model.items()}
        assert as_dict(table.image()) == {tuple(hashes([n])[0].tolist()): value for n, value in model.items()}
        assert len(table) == len(model)


def test_a_new_row_is_all_zeros_even_where_another_key_lived() -> None:
    table = Table(SPEC)
    table.rows["n"][table.slots(hashes([1]))] = 9
    table.drop(table.slots(hashes([1]), create=False))
    table.keep()

    assert table.rows["n"][table.slots(hashes([2]))].tolist() == [0]


def test_asking_without_creating_leaves_no_key_behind() -> None:
    table = Table(SPEC)

    assert table.slots(hashes([1, 2]), create=False).tolist() == [-1, -1]
    assert len(table) == 0


def test_a_bundle_that_may_not_be_used_leaves_the_old_one_in_force() -> None:
    state = State([SPEC], {"good": "the good one"}.get)
    state.swap("delay", "good")
    state.swap("delay", "flipped")

    assert state.champion("delay") == "the good one"
    assert state.refused == {"delay": "flipped"}
    assert state.take_counts() == {"bundle_refused": 1}
