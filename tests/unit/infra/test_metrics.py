"""Is every metric named as agreed, served, and every value of a batch counted?"""

import re
import socket
import urllib.request
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from infra import metrics
from infra.errors import Fault
from infra.spread import Spread

GROUPS = (metrics.StreamMetrics, metrics.RelayMetrics, metrics.SinkMetrics, metrics.ProducerMetrics)
ENDS = ("_total", "_seconds", "_records", "_bytes", "_rows", "_info", "_state")


def families(registry: CollectorRegistry) -> list[Any]:
    return list(registry.collect())


def test_all_groups_fit_into_one_process_and_follow_the_naming() -> None:
    registry = CollectorRegistry()
    for group in GROUPS:
        group(registry)
    for family in families(registry):
        name = family.name + ("_total" if family.type == "counter" else "")
        assert re.fullmatch(r"affluent_[a-z_]+", name)
        assert name.endswith(ENDS)
        assert family.documentation.endswith(".")


@given(st.lists(st.lists(st.floats(-10, 10) | st.sampled_from([0.1, 0.5, 1.0]), max_size=30), max_size=5))
def test_a_spread_counts_as_the_librarys_own_histogram_does(batches: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    spread = Spread("x_seconds", "X.", ("agent",), (0.1, 0.5, 1.0), ours)
    histogram = Histogram("x_seconds", "X.", ("agent",), buckets=(0.1, 0.5, 1.0), registry=theirs)
    spread.labels("a")
    histogram.labels("a")
    for batch in batches:
        spread.labels("a").observe(np.array(batch))
        for value in batch:
            histogram.labels("a").observe(value)

    def read(registry: CollectorRegistry) -> dict[str, float]:
        text = generate_latest(registry).decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {f"{s.name}{s.labels}": s.value for s in samples if not s.name.endswith("_created")}

    assert read(ours) == pytest.approx(read(theirs))


def test_a_value_counted_many_times_weighs_as_much() -> None:
    registry = CollectorRegistry()
    series = Spread("x_seconds", "X.", (), (1.0,), registry).labels()
    series.observe(0.5, 7)
    assert [int(n) for n in series.read()[0]] == [7, 7]
    assert series.read()[1] == pytest.approx(3.5)


def test_nan_is_no_measurement() -> None:
    series = Spread("x_seconds", "X.", (), (1.0,), CollectorRegistry()).labels()
    series.observe([np.nan, 0.5])
    assert int(series.read()[0][-1]) == 1


def test_a_label_left_out_is_refused() -> None:
    with pytest.raises(ValueError, match="agent"):
        Spread("x_seconds", "X.", ("agent",), (1.0,), CollectorRegistry()).labels()


def test_metrics_are_served_on_a_free_port_and_show_the_process() -> None:
    registry = metrics.process_registry()
    metrics.SinkMetrics(registry).rows.labels("delay_predicted").inc(3)
    port = metrics.serve(registry)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'affluent_sink_rows_total{table="delay_predicted"} 3.0' in text
    assert "process_resident_memory_bytes" in text


def test_a_taken_port_is_named_with_the_setting_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Fault, match=f"AFFLUENT_METRICS__PORT.*{port}"):
            metrics.serve(CollectorRegistry(), port)
