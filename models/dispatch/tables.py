"""What does dispatch remember? Rows by depot and courier, route, company, lane or job; each key begins with the depot.

The *gain* of a job is how much later it arrives than it started: lateness at arrival minus lateness at the start,
seconds. A *lane* is a company on a route. A *residual* is a gain minus what its lane led us to expect.
"""

import numpy as np

from models.tables import TableSpec

_GAINS = [
    ("seen", "i8"),  # completed jobs
    ("last_at", "i8"),  # ms, of the newest completion
    ("last_s", "f8"),  # its gain
    ("mean_s", "f8"),  # mean gain of the last few hundred
    ("ewma_s", "f8"),  # mean gain of the last few
    ("short_sum_s", "f8"),  # residuals, each fading with half an hour
    ("short_weight", "f8"),
    ("long_sum_s", "f8"),  # residuals, each fading with half a day
    ("long_weight", "f8"),
]

_DAY_MS = 24 * 3_600_000
IDLE_LIMIT_MS = 180 * _DAY_MS
JOB_LIMIT_MS = 14 * _DAY_MS
"""How long a job may be open, and its prediction."""
TRUTH_WAITS_MS = _DAY_MS

COURIERS, ROUTES, COMPANIES, LANES, DEPOTS = (
    TableSpec(name, np.dtype(_GAINS), idle=("last_at", IDLE_LIMIT_MS))
    for name in ("couriers", "routes", "companies", "lanes", "depots")
)
SCENES = TableSpec(
    "scenes",  # what goes on at a depot now
    np.dtype(
        [
            ("newest_at", "i8"),  # ms, of the newest fact of any kind whose clock can be believed: the depot's own clock
            ("weather_at", "i8"),  # ms, 0 before the first reading
            ("humidity_pct", "f8"),  # the reading; nan is unknown
            ("wind_mps", "f8"),
            ("gust_mps", "f8"),
            ("precipitation_mm", "f8"),
            ("pressure_hpa", "f8"),
            ("visibility_km", "f8"),
            ("starts_at", "i8"),  # ms, when the next four were brought up to date
            ("starts_10min", "f8"),  # jobs started, each fading with this time
            ("starts_30min", "f8"),
            ("starts_2h", "f8"),
            ("lateness_sum_s", "f8"),  # of the starts that fade with 30 minutes
            ("line_at", "i8"),  # ms, when the next five were brought up to date
            ("line_n", "f8"),  # residual against planned hours, a line by least squares, fading with 6 hours
            ("line_x", "f8"),
            ("line_xx", "f8"),
            ("line_y", "f8"),
            ("line_xy", "f8"),
        ]
    ),
    idle=("newest_at", IDLE_LIMIT_MS),
)
JOBS = TableSpec(
    "jobs",
    np.dtype(
        [
            ("at", "i8"),  # ms, of the acceptance; 0 in a row without a job
            ("promised_at", "i8"),  # ms
            ("lateness_s", "f8"),
            ("planned_s", "f8"),
            ("expected_s", "f8"),  # gain that the lane led us to expect
        ]
    ),
    idle=("at", JOB_LIMIT_MS),
)
TRUTHS = TableSpec(
    "truths",  # completions that came before their acceptance, by job
    np.dtype(
        [
            ("at", "i8"),  # ms; 0 in a row without a truth
            ("late", "i8"),  # 1 if it came too late to teach
            ("keys", "u8", (4, 2)),  # of courier, route, company and lane: whom it will teach
        ]
    ),
    idle=("at", TRUTH_WAITS_MS),
)
FEATURE_TABLES = (COURIERS, ROUTES, COMPANIES, LANES, DEPOTS, SCENES, JOBS, TRUTHS)

WIDTH = 32
"""The most features a prediction can carry through the table of open predictions."""

OPEN = TableSpec(
    "open_predictions",
    np.dtype(
        [
            ("predicted_at", "i8"),  # ms; 0 in a row without a prediction
            ("promised_at", "i8"),  # ms
            ("delay_s", "f8"),
            ("low_s", "f8"),
            ("high_s", "f8"),
            ("baseline_s", "f8"),
            ("prediction_id", "S32"),
            ("source", "u8", (2,)),  # keys in WORDS
            ("model", "u8", (2,)),
            ("features", "f4", (WIDTH,)),
        ]
    ),
    idle=("predicted_at", JOB_LIMIT_MS),
)
WORDS = TableSpec(
    "words",
    np.dtype([("used_at", "i8"), ("size", "i4"), ("text", "u1", (256,))]),
    idle=("used_at", 2 * JOB_LIMIT_MS),
)
"""Sources and models, by depot and text: an open prediction keeps the key, not the text."""
SETTLE_TABLES = (OPEN, WORDS)
