"""Is the baseline the rule it says it is?"""

from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dispatch import rules
from models.dispatch.gains import HOUR, LATENESS, NAMES, WEEKDAY
from schemas.columns import Columns
from schemas.dispatch import AssignmentAccepted
from tests.builders import many

names = st.sampled_from(["x", "y", "z"])
jobs = st.lists(st.tuples(names, names, names, st.integers(-60, 60), st.integers(-600, 600)), min_size=1, max_size=30)


def columns(some: list[tuple]) -> Columns[AssignmentAccepted]:
    return Columns.of(
        many(
            AssignmentAccepted, len(some), depot_id=lambda i: some[i][0], company_id=lambda i: some[i][1], route_id=lambda i: some[i][2]
        )
    )  # fmt: skip


def table(some: list[tuple]) -> np.ndarray:
    x = np.zeros((len(some), len(NAMES)), np.float32)
    x[:, LATENESS] = [each[3] for each in some]
    return x


@given(jobs, jobs)
def test_a_lane_has_its_median_gain_else_its_companys_else_that_of_all(past: list[tuple], now: list[tuple]) -> None:
    delays = np.array([late + gain for *_, late, gain in past], float)
    fitted = rules.LaneMedian.fit(columns(past), table(past), delays)
    for rule in (fitted, rules.load(fitted.to_json())):
        answers = rule.predict(columns(now), table(now))
        for each, found in zip(now, answers.tolist(), strict=True):
            lane = [gain for *key, _, gain in past if tuple(key) == each[:3]]
            company = [gain for _, name, *_, gain in past if name == each[1]]
            assert found == each[3] + median(lane or company or [gain for *_, gain in past])


def test_an_hour_has_its_mean_and_an_hour_never_seen_that_of_all() -> None:
    x = np.zeros((4, len(NAMES)), np.float32)
    x[:, WEEKDAY], x[:, HOUR] = [0, 0, 6, 3], [11.5, 11.9, 23.99, 4.0]
    some = columns([("d", "c", "r", 0, 0)] * 4)
    fitted = rules.HourMean.fit(some, x[:3], np.array([60.0, 120.0, 300.0]))
    for rule in (fitted, rules.load(fitted.to_json())):
        assert rule.predict(some, x).tolist() == [90.0, 90.0, 300.0, 160.0]


def test_a_rule_nobody_knows_is_named() -> None:
    with pytest.raises(ValueError, match="found 'guess'"):
        rules.load(b'{"kind": "guess"}')
