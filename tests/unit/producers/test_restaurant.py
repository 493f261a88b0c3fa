"""Does the calendar keep what the rows say: the weekday, the local hour, the minutes to deliver?"""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from infra.errors import Fault
from producers import restaurant, rows, samples
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted

FILES = samples.files("restaurant")


def test_weekday_hour_and_minutes_survive_the_calendar() -> None:
    accepted = {e.assignment_id: e for e in restaurant.read(FILES) if isinstance(e, AssignmentAccepted)}
    completed = {e.assignment_id: e for e in restaurant.read(FILES) if isinstance(e, DeliveryCompleted)}
    assert len(accepted) == len(completed) == 6675
    for row in rows.read(FILES[0])[1]:
        event = accepted[f"order-{row.text('order_id')}"]
        local = event.at.astimezone(ZoneInfo(restaurant.ZONE))
        assert f"{local:%a}" == row.text("day")
        assert local.hour + local.minute / 60 + local.second / 3600 == pytest.approx(row.number("hour"), abs=1 / 3600)
        assert local.utcoffset() == timedelta(seconds=event.utc_offset_s)
        minutes = (completed[event.assignment_id].at - event.at) / timedelta(minutes=1)
        assert minutes == pytest.approx(row.number("time_to_delivery"), abs=1e-4)


def test_the_calendar_is_the_same_every_time_and_both_halves_of_the_year_are_used() -> None:
    first, again = list(restaurant.read(FILES)), list(restaurant.read(FILES))
    assert first == again
    assert {event.utc_offset_s for event in first if isinstance(event, AssignmentAccepted)} == {-18000, -14400}


def test_a_day_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("order_id,time_to_delivery,hour,day,distance,item_01\n1,20,11.5,Someday,2,1\n")
    with pytest.raises(Fault, match="line 2, column day: expected one of Mon"):
        list(restaurant.read([file]))
