"""Does the interval hold the truth as often as promised?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import conformal


@given(st.lists(st.floats(-1e4, 1e4), min_size=9, max_size=200))
def test_at_least_the_promised_share_lies_inside_on_the_rows_it_was_made_from(residuals: list[float]) -> None:
    values = np.array(residuals)
    low, high = conformal.interval(values, 0.8)
    assert conformal.coverage(values, np.full(len(values), low), np.full(len(values), high)) >= 0.8 - 2 / len(values)


def test_fresh_rows_are_covered_as_promised() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(300):
        low, high = conformal.interval(rng.exponential(size=99), 0.8)
        fresh = rng.exponential(size=200)
        shares.append(conformal.coverage(fresh, np.full(200, low), np.full(200, high)))
    assert np.mean(shares) == pytest.approx(0.8, abs=0.01)


def test_the_ends_are_order_statistics() -> None:
    assert conformal.interval(np.arange(1.0, 20.0), 0.8) == (2.0, 18.0)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 9 residuals for a coverage of 0\.8, found 8"):
        conformal.interval(np.zeros(8), 0.8)
