"""Do tiles of event time say what a list of all events would, in whatever order they come?"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import tiles
from models.compiled import compiled

WIDTH_MS, TILES, READ = 10, 5, 3
SPEC = np.dtype([("key", "i4"), ("recent", tiles.window(TILES, "sum", "least", "most"))])
COUNTED = np.dtype([("recent", tiles.window(TILES, counts="u2"))])

events = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 200), st.integers(-9, 9)), max_size=40)


@compiled
def fold(slots: Any, at: Any, values: Any, rows: Any, width_ms: int, read: int, out: Any) -> int:
    late = 0
    for i in range(len(at)):
        ring = rows[slots[i]].recent
        late += not tiles.add_range(ring, at[i], width_ms, values[i])
        out[i, 0] = tiles.events(ring, at[i], width_ms, read)
        out[i, 1] = tiles.total(ring, at[i], width_ms, read)
        out[i, 2] = tiles.least(ring, at[i], width_ms, read)
        out[i, 3] = tiles.most(ring, at[i], width_ms, read)
    return late


@compiled
def counts(at: Any, rows: Any, width_ms: int, read: int, out: Any) -> None:
    for i in range(len(at)):
        tiles.add(rows[0].recent, at[i], width_ms)
        out[i] = tiles.events(rows[0].recent, at[i], width_ms, read)


def folded(told: list[tuple[int, int, int]], rows: np.ndarray) -> tuple[list[list[float]], int]:
    slots, at, values = (np.array([one[k] for one in told], np.int64) for k in range(3))
    out = np.zeros((len(told), 4))
    late = fold(slots, at, values.astype(np.float64), rows, WIDTH_MS, READ, out)
    return out.tolist(), late


class Listed:
    """All events that came in time, and the newest tile."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, int]] = []
        self.newest = self.late = 0

    def add(self, at: int, value: int) -> None:
        tile = at // WIDTH_MS
        if tile <= self.newest - TILES:
            self.late += 1
            return
        self.newest = max(self.newest, tile)
        self.kept.append((tile, value))

    def read(self, at: int) -> list[float]:
        asked = at // WIDTH_MS
        values = [v for tile, v in self.kept if asked - READ < tile <= asked and tile > self.newest - TILES]
        return [len(values), sum(values), min(values, default=np.nan), max(values, default=np.nan)]


@settings(deadline=None, max_examples=200)
@given(events)
def test_a_window_is_what_a_list_of_all_events_in_time_would_say(told: list[tuple[int, int, int]]) -> None:
    lists = [Listed() for _ in range(3)]
    expected = []
    for slot, at, value in told:
        lists[slot].add(at, value)
        expected.append(lists[slot].read(at))

    out, late = folded(told, np.zeros(3, SPEC))

    np.testing.assert_array_equal(np.array(out).reshape(-1, 4), np.array(expected).reshape(-1, 4))
    assert late == sum(one.late for one in lists)


@settings(deadline=None)
@given(st.lists(st.tuples(st.just(0), st.integers(100, 149), st.integers(-9, 9)), min_size=1, max_size=12), st.randoms())
def test_within_the_ring_every_order_leads_to_the_same_row(told: list[tuple[int, int, int]], random: Any) -> None:
    shuffled = list(told)
    random.shuffle(shuffled)
    one, other = np.zeros(1, SPEC), np.zeros(1, SPEC)

    assert folded(told, one)[1] == folded(shuffled, other)[1] == 0
    full = one["recent"]["count"][0] > 0
    for name in ("count", "sum", "least", "most"):
        assert one["recent"][name][0][full].tolist() == other["recent"][name][0][full].tolist()


def test_an_event_older_than_the_ring_is_late_and_changes_nothing() -> None:
    rows = np.zeros(1, SPEC)
    folded([(0, 100, 1), (0, 60, 1)], rows)
    before = rows.tobytes()

    assert folded([(0, 59, 7)], rows)[1] == 1
    assert rows.tobytes() == before


def test_what_happened_after_the_moment_asked_for_is_not_in_the_answer() -> None:
    rows = np.zeros(1, SPEC)
    folded([(0, 100, 1), (0, 110, 5)], rows)

    assert folded([(0, 100, 2)], rows)[0] == [[2, 3, 1, 2]]


def test_a_long_silence_empties_the_window_and_costs_no_more_than_its_tiles() -> None:
    rows = np.zeros(1, SPEC)
    folded([(0, 100, 4)], rows)

    assert folded([(0, 10**15, 1)], rows)[0] == [[1, 1, 1, 1]]


def test_a_window_may_hold_counts_alone() -> None:
    rows, out = np.zeros(1, COUNTED), np.zeros(3, np.int64)

    counts(np.array([5, 15, 95]), rows, WIDTH_MS, READ, out)

    assert out.tolist() == [1, 2, 1]
    assert COUNTED.itemsize == 8 + 2 * TILES


def test_a_window_without_tiles_is_refused() -> None:
    with pytest.raises(ValueError, match="tiles: expected at least 1, found 0"):
        tiles.window(0)
