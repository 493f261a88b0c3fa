"""Are the hashes the published ones, and do they tell apart what is apart?"""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Strings, derive_ids, hash_strings, hash_text

PUBLISHED = {
    "": (0x0000000000000000, 0x0000000000000000),
    "hello": (0xCBD8A7B341BD9B02, 0x5B1E906A48AE1D19),
    "hello, world": (0x342FAC623A5EBC8E, 0x4CDCBC079642414D),
    "19 Jan 2038 at 3:14:07 AM": (0xB89E5988B737AFFC, 0x664FC2950231B2CB),
    "The quick brown fox jumps over the lazy dog.": (0xCD99481F9EE902C9, 0x695DA1A38987B6E7),
}
"""Of MurmurHash3_x64_128 with seed 0, as implementations of it publish them."""


@pytest.mark.parametrize("text", PUBLISHED)
def test_one_text_has_the_published_hash(text: str) -> None:
    assert hash_text(text) == PUBLISHED[text]


def _turn(x: int, by: int) -> int:
    return (x << by | x >> (64 - by)) & (2**64 - 1)


def _mix(x: int) -> int:
    for by in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        x = (x ^ x >> 33) * by & (2**64 - 1)
    return x ^ x >> 33


def _plainly(*texts: bytes) -> tuple[int, int]:
    """The same hash in Python, from the description in the module."""
    mask, c1, c2 = 2**64 - 1, 0x87C37B91114253D5, 0x4CF5AD432745937F
    h1 = h2 = 0
    for text in texts:
        whole = len(text) // 16 * 16
        for at in range(0, whole, 16):
            k1, k2 = struct.unpack_from("<QQ", text, at)
            h1 ^= _turn(k1 * c1 & mask, 31) * c2 & mask
            h1 = ((_turn(h1, 27) + h2) * 5 + 0x52DCE729) & mask
            h2 ^= _turn(k2 * c2 & mask, 33) * c1 & mask
            h2 = ((_turn(h2, 31) + h1) * 5 + 0x38495AB5) & mask
        k1, k2 = struct.unpack("<QQ", text[whole:].ljust(16, b"\0"))
        h2 ^= _turn(k2 * c2 & mask, 33) * c1 & mask
        h1 ^= _turn(k1 * c1 & mask, 31) * c2 & mask
        h1, h2 = h1 ^ len(text), h2 ^ len(text)
        h1 = (h1 + h2) & mask
        h2 = (h2 + h1) & mask
        h1, h2 = _mix(h1), _mix(h2)
        h1 = (h1 + h2) & mask
        h2 = (h2 + h1) & mask
    return h1, h2


@given(rows=st.lists(st.tuples(st.text(max_size=70), st.text(max_size=20)), min_size=1, max_size=5))
def test_rows_of_texts_have_the_hash_that_is_described(rows: list[tuple[str, str]]) -> None:
    found = hash_strings(*(Strings.of(column) for column in zip(*rows, strict=True)))

    assert [tuple(row) for row in found.tolist()] == [_plainly(*(text.encode() for text in row)) for row in rows]
    assert hash_text(*rows[0]) == tuple(found[0].tolist())


def test_where_one_text_ends_and_the_next_begins_matters() -> None:
    assert (
        len({hash_text("ab", "c"), hash_text("a", "bc"), hash_text("abc", ""), hash_text("", "abc"), hash_text("abcd", "")}) == 5
    )


def test_null_is_not_the_empty_text() -> None:
    null, empty = hash_strings(Strings.of([None, ""])).tolist()

    assert null != empty


def test_columns_of_several_lengths_have_no_rows() -> None:
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        hash_strings(Strings.of(["a"]), Strings.of(["a", "b"]))


@given(causes=st.lists(st.text(max_size=40)), step=st.integers(0, 5))
def test_derived_ids_are_the_hash_of_kind_cause_and_step(causes: list[str], step: int) -> None:
    ids = derive_ids("DelayPredicted", Strings.of(causes), step)

    assert ids.tolist() == ["{:016x}{:016x}".format(*hash_text("DelayPredicted", cause, str(step))) for cause in causes]


def test_an_id_once_given_stays_the_same() -> None:
    assert derive_ids("DelayPredicted", Strings.of(["cause-1"]), 2)[0] == "235ba2273217b31c7481d7d5842e95b4"
