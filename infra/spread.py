"""How is a whole batch of values put into one Prometheus histogram, every value counted, in one call?

prometheus-client's own histogram takes one value at a time, about a microsecond each; here numpy counts the batch.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

FEW = 16
"""So many values are counted faster one by one."""


class Counts:
    """One labelled series: how many values fell under each bound, and their sum."""

    def __init__(self, bounds: NDArray[np.float64]) -> None:
        self._bounds, self._tops = bounds, bounds.tolist()
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._sum = 0.0
        self._lock = Lock()

    def observe(self, values: ArrayLike | float, times: int = 1) -> None:
        """Count one value or an array of them, each so many times; NaN is not a measurement and is left out."""
        if isinstance(values, (int, float)):
            self._one(float(values), times)
            return
        flat = np.asarray(values, np.float64).ravel()
        if len(flat) <= FEW:
            for value in flat.tolist():
                self._one(value, times)
            return
        flat = flat[~np.isnan(flat)]
        counts = np.bincount(np.searchsorted(self._bounds, flat), minlength=len(self._counts))
        with self._lock:
            self._counts += counts if times == 1 else counts * times
            self._sum += float(flat.sum()) * times

    def _one(self, value: float, times: int) -> None:
        """Count a single value without an array around it."""
        if value == value:  # not NaN
            with self._lock:
                self._counts[bisect_left(self._tops, value)] += times
                self._sum += value * times

    def read(self) -> tuple[NDArray[np.int64], float]:
        """Return the cumulative counts, the last one being of all values, and their sum."""
        with self._lock:
            return np.cumsum(self._counts), self._sum


class Spread(Collector):
    """A histogram with labels. bounds: upper bounds of the buckets, inclusive, ascending, without infinity."""

    def __init__(self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name, self._text, self._names = name, text, tuple(labels)
        self._bounds = np.asarray(bounds, np.float64)
        self._tops = [*(str(float(bound)) for bound in bounds), "+Inf"]
        self._series: dict[tuple[str, ...], Counts] = {}
        self._lock = Lock()
        registry.register(self)

    def labels(self, *values: str) -> Counts:
        """Return the series of these label values, in the order the labels were declared. Keep it: a look-up takes a lock."""
        if len(values) != len(self._names):
            raise ValueError(f"{self._name}: expected a value for each of {self._names}, found {values}")
        with self._lock:
            return self._series.setdefault(tuple(values), Counts(self._bounds))

    def describe(self) -> Iterator[Any]:
        """Tell the registry our name before there are values."""
        yield HistogramMetricFamily(self._name, self._text, labels=self._names)

    def collect(self) -> Iterator[Any]:
        """Give the registry every series."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._names)
        with self._lock:
            series = sorted(self._series.items())
        for values, counts in series:
            cumulative, total = counts.read()
            family.add_metric(values, [(top, float(n)) for top, n in zip(self._tops, cumulative, strict=True)], total)
        yield family
