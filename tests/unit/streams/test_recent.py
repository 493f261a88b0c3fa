"""Are repeated ids found, within the last so many and so long, however the log is cut?"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.engine.recent import Recent

CAPACITY, HORIZON_MS = 20, 100
told = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 400)), max_size=200)


def judge(recent: Recent, part: list[tuple[int, int]]) -> list[bool]:
    ids, at = np.array([i for i, _ in part], np.uint64), np.array([t for _, t in part], np.int64)
    seen = recent.seen(ids, at, np.ones(len(part), np.bool_))
    recent.add(ids[~seen], at[~seen])
    return seen.tolist()


def by_hand(events: list[tuple[int, int]]) -> list[bool]:
    kept: list[tuple[int, int]] = []
    out = []
    for one, at in events:
        last = next((t for i, t in reversed(kept[-CAPACITY:]) if i == one), None)
        out.append(last is not None and abs(at - last) <= HORIZON_MS)
        if not out[-1]:
            kept.append((one, at))
    return out


@settings(deadline=None)
@given(told, st.lists(st.integers(1, 30), min_size=1))
def test_a_repeat_is_found_in_whatever_batches_it_comes(events, cuts) -> None:
    recent, found, at = Recent(CAPACITY, HORIZON_MS), [], 0
    for i in range(len(events) + 1):
        step = cuts[i % len(cuts)]
        found += judge(recent, events[at : at + step])
        at += step

    assert found == by_hand(events)


@settings(deadline=None)
@given(told, told)
def test_what_comes_back_from_the_log_judges_as_before(earlier, later) -> None:
    recent = Recent(CAPACITY, HORIZON_MS)
    judge(recent, earlier)
    back = Recent(CAPACITY, HORIZON_MS)
    back.put(*recent.span(0, recent.head))
    back.settle(recent.head)

    assert judge(back, later) == judge(recent, later)
