"""Do two logs that are read by turns meet id by id, in bounded memory, and is no differing byte overlooked?"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import Strings, hash_strings
from streams.replay.matching import CHANGED, DIFFERENT, EQUAL, HELD, Matching, Outputs


def outputs(names: list[str], values: list[bytes | None], first: int = 0) -> Outputs:
    n, ids = len(names), hash_strings(Strings.of(names))
    offsets = np.arange(first, first + n)
    return Outputs(ids, ids, offsets, offsets, Strings.of([b"k"] * n), Strings.of(values))


@settings(deadline=None, max_examples=60)
@given(data=st.data(), held_bytes=st.sampled_from([0, 300, 1 << 20]))
def test_bytes_that_were_given_up_are_still_compared(data: st.DataObject, held_bytes: int) -> None:
    n = data.draw(st.integers(1, 60))
    names, values = [f"id{i}" for i in range(n)], [bytes([i]) * (i % 11) for i in range(n)]
    wrong = data.draw(st.sets(st.integers(0, n - 1), max_size=3))
    others = [value + b"!" if i in wrong else value for i, value in enumerate(values)]
    matching, became = Matching(held_bytes=held_bytes), dict[int, list[int]]()
    order = data.draw(st.permutations([(i, ours) for i in range(n) for ours in (True, False)]))

    for i, ours in order:
        met = matching.take_in(outputs([names[i]], [(values if ours else others)[i]], first=i), ours=ours)
        became.setdefault(i, []).append(int(met.became[0]))

    assert became == {i: [HELD, DIFFERENT if i in wrong else EQUAL] for i in range(n)}
    assert not len(matching.alone(ours=True))
    assert not len(matching.alone(ours=False))


def test_another_key_a_null_and_a_border_between_key_and_value_are_differences() -> None:
    for mine, theirs in (
        ((b"k", None), (b"k", b"")),
        ((b"ka", b"b"), (b"k", b"ab")),
        ((b"ka", b"v"), (b"kb", b"v")),
        ((None, b"v"), (b"", b"v")),
    ):
        ids, zero = hash_strings(Strings.of(["a"])), np.zeros(1, np.int64)
        for held_bytes in (0, 1_000):
            matching = Matching(held_bytes=held_bytes)
            became = [
                matching.take_in(Outputs(ids, ids, zero, zero, Strings.of([key]), Strings.of([value])), ours=ours).became.tolist()
                for ours, (key, value) in ((True, mine), (False, theirs))
            ]
            assert became == [[HELD], [DIFFERENT]]


def test_memory_stays_where_it_is_however_long_the_log_is() -> None:
    matching, sizes = Matching(window=500, held_bytes=1 << 16), []
    for i in range(0, 20_000, 100):
        names = [f"id{k}" for k in range(i, i + 100)]
        for ours in (True, False):
            matching.take_in(outputs(names, [b"x" * 50] * 100, first=i), ours=ours)
        matching.forget()
        sizes.append(matching.capacity_bytes)

    assert sizes[-1] == sizes[20]
    assert matching.take_in(outputs(["id19999"], [b"x"], first=20_000), ours=False).became.tolist() == [CHANGED]
