"""What does a process show of itself, and when should each number worry someone? Every metric is declared here, once.

A process makes one `Metrics` over a registry of its own and hands each part the metrics it observes. Labels are names of
ours (topic, agent, table, reason), never an id. Hot paths observe once a batch, never once a record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
"""Work of one batch: a tenth of a millisecond to five seconds."""
LATENCY_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60, 600, 3600)
"""From an event to its effect: milliseconds when we keep up, hours when we catch up."""
RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Records of one batch."""


@dataclass(frozen=True)
class Metrics:
    """All metrics of a process, on one registry."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def _counter(self, name: str, text: str, labels: Sequence[str]) -> Counter:
        return Counter(f"affluent_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: Sequence[str]) -> Gauge:
        return Gauge(f"affluent_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
        return Histogram(f"affluent_{name}", text, labels, registry=self.registry, buckets=buckets)
