"""What should a person know before they trust this model? Its card, in Markdown, written from the manifest's facts."""

from collections.abc import Mapping
from typing import Any

_RULES = {
    "lane_median": "lateness at the start plus the median gain of the lane (depot, company, route), of the company where the lane is "
    "new, of all jobs where the company is",
    "hour_mean": "the mean delay by weekday and hour, local time",
}
_UNITS = {
    "mae_min": "mean absolute error, min", "rmse_min": "root mean squared error, min", "r2": "R²",
    "coverage": "truths inside the interval", "interval_min": "width of the interval, min",
}  # fmt: skip


def card(facts: Mapping[str, Any], rule: str) -> str:
    """Return the card. facts: the manifest's fields but those that sealing adds; rule: the baseline's kind."""
    split, calibration = facts["split"], facts["calibration"]
    figures = "\n".join(
        f"| {_UNITS[name]} | {metric.model:g} | {metric.baseline:g} |" for name, metric in facts["metrics"].items()
    )
    windows = "\n".join(
        f"| {name} | {window.rows:,} | {window.first_at:%Y-%m-%d %H:%M} | {window.last_at:%Y-%m-%d %H:%M} |"
        for name, window in (("train", split.train), ("calibration", split.calibration), ("test", split.test))
    )
    used = [feature.name for feature in facts["features"] if feature.used]
    growth = ", ".join(f"{name} {value}" for name, value in facts["growth"].items())
    return f"""# {facts["name"]}

**Answers** how much later than promised a job of the source `{facts["source"]}` will arrive, at the moment it is accepted,
with an interval meant to hold {calibration.coverage:.0%} of truths.

**Not for** other sources, for jobs whose lateness at the start is not known, or for decisions about people: courier figures
stand for all that shapes a trip (equipment, routes, hours), not for merit.

## How good
Measured on jobs later than all that the model and its interval were made from. The baseline is {_RULES[rule]}.

| | model | baseline |
| --- | ---: | ---: |
{figures}

## Made from
Parts in the order of time, UTC. {split.left_out:,} jobs were left out because their truth came after their part had ended
(median time to truth: {split.label_lag_median_s / 60:,.0f} min).

| part | jobs | first accepted | last accepted |
| --- | ---: | --- | --- |
{windows}

## How
Boosted trees ({growth}) predict the gain, lateness at arrival minus lateness at the start; the known lateness is added.
The interval is by split conformal prediction on the calibration part: {calibration.low_s / 60:+.1f} to
{calibration.high_s / 60:+.1f} min around the answer. It is one width for all jobs: hard ones are covered less often than
easy ones, and a change of season moves the coverage.

Features looked at ({len(used)}): {", ".join(used)}. `models/dispatch/gains.py` defines them.
"""
