"""Which jobs are there? The same for every program: drawn once from a seed, column by column."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.work.wire import EVERY_MS, START_MS

SEED, COURIERS, RESTAURANTS = 7, 2_000, 300
DRAWN = 1_500_000
"""So many are always drawn, so that a shorter load is the beginning of a longer one; beyond them they repeat, later."""

Jobs: TypeAlias = Mapping[str, NDArray[Any]]
"""Columns of `wire.JOB` but for the ids, which are numbers here: courier, restaurant, and the row itself."""


@lru_cache(maxsize=1)
def _drawn() -> Jobs:
    random = np.random.default_rng(SEED)
    weight = 1 / (np.arange(COURIERS) + 50)
    n = DRAWN
    return {
        "courier": random.choice(COURIERS, n, p=weight / weight.sum()),
        "restaurant": random.integers(0, RESTAURANTS, n),
        "distance_km": random.gamma(2.0, 1.5, n) + 0.2,
        "items": random.integers(1, 9, n),
        "temperature_c": random.normal(12.0, 8.0, n),
        "rain": random.random(n) < 0.2,
        "traffic": random.random(n),
        "prep_min": random.gamma(4.0, 3.0, n),
        "wind": random.gamma(2.0, 3.0, n),
        "load": random.random(n),
        "rating": 3 + 2 * random.random(n),
    }


def jobs(first: int, last: int) -> Jobs:
    """Return the jobs number first to last (exclusive)."""
    number = np.arange(first, last)
    promised_at = START_MS + EVERY_MS * number
    hours = promised_at // 3_600_000
    drawn = {name: column[number % DRAWN] for name, column in _drawn().items()}
    # 1970-01-01 was a Thursday: day 3 of a week that begins on Monday with 0.
    return drawn | {"number": number, "promised_at": promised_at, "hour": hours % 24, "dow": (hours // 24 + 3) % 7}


def courier_id(number: int) -> str:
    """Return the id of a courier.

    >>> courier_id(7)
    'c00007'
    """
    return f"c{number:05d}"


def restaurant_id(number: int) -> str:
    """Return the id of a restaurant.

    >>> restaurant_id(7)
    'r0007'
    """
    return f"r{number:04d}"
