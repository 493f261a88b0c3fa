"""Is what was idle for too long forgotten at the same place of the log, however it is cut and spread?"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.kafka import partition_for
from models import rows
from models.forgetting import days, forget
from models.tables import State, TableSpec
from producers.ticks import with_ticks
from schemas.columns import Batch, hash_strings
from schemas.control import Control
from schemas.dispatch import WeatherObserved
from schemas.event import Event
from tests.builders import USUAL_AT, build
from tests.deliveries import batch, cut

DAY_MS = 86_400_000
SEEN = TableSpec("seen", np.dtype([("at", "i8"), ("n", "i8")]), idle=("at", 2 * DAY_MS))
FOREVER = TableSpec("forever", np.dtype([("at", "i8")]))


def fold(facts: Batch, state: State) -> None:
    for part in days(facts, state, (SEEN, FOREVER)):
        weather = part.of(WeatherObserved)
        if not weather.n:
            continue
        for spec in (SEEN, FOREVER):
            slots = state[spec].slots(hash_strings(weather["depot_id"]))
            np.maximum.at(state[spec].rows["at"], slots, weather["at"].astype(np.int64))
        np.add.at(state[SEEN].rows["n"], state[SEEN].find(hash_strings(weather["depot_id"])), 1)


def after(parts: Sequence[Batch], *, fails: bool = False) -> State:
    state = State((SEEN, FOREVER))
    for part in parts:
        if fails:
            fold(part, state)
            state.restore()
        fold(part, state)
        state.keep()
    return state


def left(state: State) -> dict[tuple[int, ...], tuple[int, ...]]:
    image = state[SEEN].image()
    return {tuple(key): row.item() for key, row in zip(image.keys.tolist(), image.rows, strict=True)}


def weather(hours: list[tuple[int, int]]) -> list[Event]:
    told = [
        build(WeatherObserved, event_id=f"w{i}", depot_id=f"d{depot}", at=USUAL_AT + timedelta(hours=hour))
        for i, (depot, hour) in enumerate(sorted(hours, key=lambda one: one[1]))
    ]
    return list(with_ticks(told))


stories = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 24 * 9)), min_size=1, max_size=25)


@settings(deadline=None, max_examples=40)
@given(stories, st.lists(st.integers(0, 400), max_size=6), st.booleans())
def test_no_cut_and_no_failure_changes_what_is_forgotten(hours, places, fails: bool) -> None:
    story = batch(weather(hours))

    assert left(after(cut(story, places), fails=fails)) == left(after([story]))


@settings(deadline=None, max_examples=25)
@given(stories)
def test_three_partitions_forget_what_one_does(hours) -> None:
    story = weather(hours)
    spread: dict = {}
    for p in range(3):
        mine = [e for e in story if isinstance(e, Control) or partition_for(e.key.encode(), 3) == p]
        spread |= left(after([batch(mine)]))

    assert spread == left(after([batch(story)]))


@settings(deadline=None, max_examples=40)
@given(stories)
def test_exactly_those_are_forgotten_that_were_idle_at_the_first_tick_of_a_day(hours) -> None:
    story = weather(hours)
    kept: dict[str, tuple[int, int]] = {}
    for event in story:
        at = int(event.at.timestamp() * 1000)
        if isinstance(event, WeatherObserved):
            kept[event.depot_id] = (at, kept.get(event.depot_id, (0, 0))[1] + 1)
        elif at % DAY_MS == 0:
            kept = {depot: row for depot, row in kept.items() if row[0] >= at - 2 * DAY_MS}

    assert sorted(left(after([batch(story)])).values()) == sorted(kept.values())


def test_a_table_that_does_not_say_how_long_forgets_nothing() -> None:
    state = after([batch(weather([(1, 0), (2, 24 * 9)]))])

    assert (len(state[SEEN]), len(state[FOREVER])) == (1, 2)
    assert state.take_counts() == {"forgotten_seen": 1}


def test_what_is_forgotten_is_told_to_the_log_by_its_key_alone() -> None:
    state = after([batch(weather([(1, 0)]))])
    state[SEEN].take_changes()

    forget(state, (SEEN,), int(USUAL_AT.timestamp() * 1000) + 30 * DAY_MS)
    state.keep()
    told = state[SEEN].take_changes()

    assert (told.keys.shape, len(told.rows)) == ((1, 2), 0)


def test_a_great_forgetting_gives_rows_and_index_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_WORTH_COMPACTING", 1_000)
    state, random = State((SEEN,)), np.random.default_rng(3)
    keys = random.integers(0, 2**63, (20_000, 2)).astype(np.uint64)
    slots = state[SEEN].slots(keys)
    state[SEEN].rows["at"][slots] = np.where(np.arange(20_000) < 19_000, DAY_MS, 50 * DAY_MS)
    state.keep()
    before = state[SEEN].capacity_bytes

    forget(state, (SEEN,), 51 * DAY_MS)
    state.keep()
    state[SEEN].take_changes()
    for _ in range(100):
        state[SEEN].slots(keys[-10:])
        state.keep()

    assert len(state[SEEN]) == state[SEEN].used == 1_000
    assert (state[SEEN].rows["at"][state[SEEN].find(keys[19_000:])] == 50 * DAY_MS).all()
    assert state[SEEN].capacity_bytes < before / 2
