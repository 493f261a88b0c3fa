"""How good were the predictions of later events, and which one is worth a look? Read from Postgres."""

from datetime import datetime
from typing import Any

from infra import postgres


def quality(dsn: str, source: str, *, after: datetime) -> dict[str, float]:
    """Return MAE in minutes, model and baseline, of predictions made after `after`, with their number and interval coverage.

    A model that was never asked after that moment has scored 0, and the figures are nan.
    """
    with postgres.speaking(dsn), postgres.connect(dsn, name="judge") as session:
        row: Any = session.execute(
            "SELECT count(*), avg(abs(error_s)) / 60, avg(abs(baseline_error_s)) / 60, avg(covered::int) "
            "FROM prediction_scored WHERE source = %s AND predicted_at > %s",
            [source, after],
        ).fetchone()
    count, model, baseline, covered = row or (0, 0.0, 0.0, 0.0)
    return {
        "scored": int(count),
        "model": round(float(model), 3) if count else float("nan"),
        "baseline": round(float(baseline), 3) if count else float("nan"),
        "covered": round(float(covered), 4) if count else float("nan"),
    }


def example(dsn: str) -> str:
    """Return the assignment whose late arrival the model foresaw best against its rule: something to trace."""
    with postgres.speaking(dsn), postgres.connect(dsn, name="judge") as session:
        row = session.execute(
            "SELECT assignment_id FROM prediction_scored WHERE actual_s > 1800 ORDER BY abs(error_s) - abs(baseline_error_s) LIMIT 1"
        ).fetchone()
    return "" if row is None else str(row[0])
