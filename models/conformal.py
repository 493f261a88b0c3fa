"""How sure are we? An interval that held the truth as often as promised on rows the model had not seen.

Split conformal prediction after Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, Distribution-Free Predictive Inference
for Regression, JASA 2018, algorithm 2. We leave it in one place: both tails are taken apart, as in Romano, Patterson and
Candès, Conformalized Quantile Regression, NeurIPS 2019, theorem 2, because delays lean to the late side. The promise
needs rows that are exchangeable; rows in time are only nearly so, and the coverage on the test rows says by how much it
fails.
"""

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray


def interval(residuals: NDArray[np.float64], coverage: float = 0.8) -> tuple[float, float]:
    """Return what to add to a prediction for the interval's two ends.

    residuals: truth minus prediction on calibration rows, any order. Raises ValueError if there are too few of them.
    """
    n, tail = len(residuals), round((1.0 - coverage) / 2.0, 9)
    low = floor(round((n + 1) * tail, 9))
    high = n + 1 - low
    if low < 1:
        raise ValueError(f"expected at least {ceil(round(1 / tail, 9)) - 1} residuals for a coverage of {coverage}, found {n}")
    ordered = np.sort(residuals)
    return float(ordered[low - 1]), float(ordered[high - 1])


def coverage(truth: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> float:
    """Return the share of truths inside their intervals, ends included."""
    return float(np.mean((truth >= low) & (truth <= high)))
