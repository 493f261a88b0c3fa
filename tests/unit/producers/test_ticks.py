"""Is every hour begun once, in order, before what happens in it?"""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from producers.ticks import HOUR, tick, with_ticks
from schemas.control import Control
from schemas.dispatch import WeatherObserved

START = datetime(2013, 1, 1, tzinfo=UTC)


def weather(minutes: int) -> WeatherObserved:
    return WeatherObserved(event_id=f"w{minutes}", at=START + timedelta(minutes=minutes), depot_id="EWR")


@given(st.lists(st.integers(0, 3000), max_size=30).map(sorted))
def test_every_hour_is_begun_once_before_its_events(minutes: list[int]) -> None:
    given_events = [weather(m) for m in minutes]
    out = list(with_ticks(given_events))
    ticks = [event for event in out if isinstance(event, Control)]
    assert [event for event in out if not isinstance(event, Control)] == given_events
    assert [t.number for t in ticks] == list(range(ticks[0].number, ticks[-1].number + 1)) if ticks else not minutes
    for event, before in zip(out[1:], out, strict=False):
        assert before.at <= event.at
    if ticks:
        assert ticks[-1].at - given_events[-1].at <= HOUR
        assert ticks[-1].at > given_events[-1].at


def test_a_tick_is_a_function_of_its_hour() -> None:
    assert tick(376_944).at == START
    assert tick(376_944) == tick(376_944)


def test_a_late_event_passes_and_starts_no_hour() -> None:
    out = list(with_ticks([weather(130), weather(10), weather(150)]))
    assert [event.event_id for event in out if isinstance(event, WeatherObserved)] == ["w130", "w10", "w150"]
    assert sum(isinstance(event, Control) for event in out) == 1
