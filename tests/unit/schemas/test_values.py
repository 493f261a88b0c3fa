"""Do texts, lists and nullable columns hold what was put in, whatever is taken out of them?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Nullable, Ragged, Strings

texts = st.lists(st.text(max_size=20))
lists = st.lists(st.lists(st.floats(allow_nan=False), max_size=5))


@given(values=st.lists(st.none() | st.binary(max_size=20)))
def test_strings_give_back_the_bytes_and_the_nulls(values: list[bytes | None]) -> None:
    column = Strings.of(values)

    assert column.raws() == values
    assert [column.raw(i) for i in range(len(values))] == values
    assert column.pack().raws() == values


@given(values=texts)
def test_strings_give_back_the_texts(values: list[str]) -> None:
    column = Strings.of(values)

    assert column.tolist() == values == list(column)
    assert [column[i] for i in range(len(values))] == values


@given(values=texts, data=st.data())
def test_taken_rows_are_the_rows(values: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(values) - 1))) if values else []

    taken = Strings.of(values).take(np.array(rows, np.int64))

    assert taken.tolist() == taken.pack().tolist() == [values[i] for i in rows]


@given(parts=st.lists(texts, max_size=4))
def test_strings_one_after_the_other_are_all_of_them(parts: list[list[str]]) -> None:
    joined = Strings.concat([Strings.of(part).take(slice(None, None, -1)) for part in parts])

    assert joined.tolist() == [text for part in parts for text in reversed(part)]


def test_a_repeated_text_is_stored_once() -> None:
    column = Strings.repeated("dépôt", 1000)

    assert column.tolist() == ["dépôt"] * 1000
    assert len(column.data) == 7


def test_bytes_that_are_not_text_show_as_replacements() -> None:
    assert Strings.of([b"\xff", b"ok"]).tolist() == ["�", "ok"]


@given(values=lists)
def test_ragged_gives_back_the_lists(values: list[list[float]]) -> None:
    column = Ragged.of(values)

    assert column.tolist() == column.pack().tolist() == values
    assert Ragged.concat([column, column]).tolist() == values + values


@given(n=st.integers(0, 5), width=st.integers(0, 5))
def test_a_matrix_goes_in_and_out(n: int, width: int) -> None:
    matrix = np.arange(n * width, dtype=np.float64).reshape(n, width)

    column = Ragged.of(matrix)

    assert column.tolist() == matrix.tolist()
    assert column.take(slice(None, None, -1)).matrix(width).tolist() == matrix[::-1].tolist()


def test_a_row_of_another_width_is_named() -> None:
    with pytest.raises(ValueError, match="row 1: expected a list of 2 numbers, found 1"):
        Ragged.of([[1.0, 2.0], [3.0]]).matrix(2)


def test_whole_numbers_in_lists_stay_whole() -> None:
    column = Ragged.of([[2**60 + 1], []], np.int64)

    assert column.tolist() == column.pack().tolist() == [[2**60 + 1], []]


def test_nulls_are_filled_with_what_was_said() -> None:
    valid = np.array([True, False])

    assert Nullable.of_floats(np.array([1.5, np.nan])).valid.tolist() == valid.tolist()
    assert np.array_equal(Nullable(np.array([1.5, 7.0]), valid).filled(), [1.5, np.nan], equal_nan=True)
    assert Nullable(np.array([1, 7]), valid).filled(-1).tolist() == [1, -1]
    assert Nullable(Strings.of(["a", "b"]), valid).filled().tolist() == ["a", ""]
    assert Nullable(Strings.of(["a", "b"]), valid).filled("none").tolist() == ["a", "none"]
    assert list(Nullable(Strings.of(["a", "b"]), valid)) == ["a", None]


def test_a_whole_number_has_no_value_that_means_null() -> None:
    with pytest.raises(TypeError, match="say which filler"):
        Nullable(np.array([1, 2]), np.array([True, False])).filled()
