"""Where do the events of dispatch come to rest? All in Postgres; the latest prediction of each assignment in Redis too."""

from collections.abc import Callable
from typing import Any

import numpy as np

from consumers.latest import Answer
from consumers.sink import Sink
from consumers.stretch import Store
from schemas.columns import Columns
from schemas.columns.arrays import Bools
from schemas.control import MODEL_VERSIONS
from schemas.dispatch import ASSIGNMENTS, DELAY_PREDICTED, DRIFT_DETECTED, PREDICTION_SCORED, DelayPredicted
from schemas.letters import DEAD_LETTERS

DELAY = Answer(
    DelayPredicted,
    prefix="dispatch:delay",
    key="assignment_id",
    fields=("event_id", "depot_id", "promised_at", "delay_s", "low_s", "high_s", "baseline_s", "model", "rung", "reason"),
)
"""What an app that asks for a delay is told."""


def ours(field: str) -> Callable[[Columns[Any]], Bools]:
    """Return which events of a topic that all domains share are about dispatch: the field begins with our name."""
    return lambda columns: np.fromiter((text.startswith("dispatch.") for text in columns[field]), np.bool_, len(columns))


def sinks(history: Store, latest: Callable[[Answer], Store]) -> tuple[Sink, ...]:
    """Return every sentence of the domain. latest: gives the store of an answer."""
    return (
        Sink(reads=ASSIGNMENTS, into=history),
        Sink(reads=DELAY_PREDICTED, into=history),
        Sink(reads=PREDICTION_SCORED, into=history),
        Sink(reads=DRIFT_DETECTED, into=history),
        Sink(reads=MODEL_VERSIONS, into=history, where=ours("model")),
        Sink(reads=DEAD_LETTERS, into=history, where=ours("origin_topic")),
        Sink(reads=DELAY_PREDICTED, into=latest(DELAY)),
    )
