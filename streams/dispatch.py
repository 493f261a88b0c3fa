"""Where does an event of dispatch go next? Accepted jobs to predictions, completed ones to scores, scores to drift."""

from collections.abc import Iterator

from models import drift, forgetting
from models.dispatch import delay, features, gains, order, settle, tables
from models.tables import State
from schemas.columns import Batch
from schemas.dispatch import ASSIGNMENTS, PREDICTION_SCORED, DelayPredicted, DriftDetected, PredictionScored
from streams.engine.topology import Output, Topology

TOPOLOGY = Topology("streams-dispatch")
POLICY = drift.Policy()


@TOPOLOGY.agent(
    reads=ASSIGNMENTS,
    writes=(DelayPredicted, PredictionScored),
    state=(*tables.FEATURE_TABLES, *tables.SETTLE_TABLES),
    folds=(features, forgetting, gains, order, settle),
    lateness_ms=order.ALLOWED_LATENESS_MS,
)
def predict_delay(facts: Batch, state: State) -> Iterator[Output]:
    """Predict each accepted job; score its prediction when it completes."""
    with state.stage("features"):
        known = features.fold(facts, state)
    with state.stage("score"):
        delays = delay.predict(known, state)
    yield Output(DelayPredicted, known.positions, delays.fields(known))
    with state.stage("settle"):
        scored = settle.fold(facts, known, delays, state)
    yield Output(PredictionScored, scored.positions, scored.fields)


@TOPOLOGY.agent(reads=PREDICTION_SCORED, writes=(DriftDetected,), state=(drift.DETECTORS,), folds=(drift,))
def detect_drift(scored: Batch, state: State) -> Iterator[Output]:
    """Watch the errors of each depot and source; say when their level changed."""
    found = drift.update(scored.of(PredictionScored), state, POLICY)
    state.count("drift", len(found.rows))
    yield Output(DriftDetected, scored.order(PredictionScored)[found.rows], found.fields)
