"""What is known of a courier when a job comes, in plain Python? What every program but ours runs, and what all are judged by.

Also the 20 features, in order: distance_km, items, hour, dow, temperature_c, rain, traffic, prep_min, wind, load, rating, jobs so far,
their mean distance (fading), seconds since the last, jobs of 15 minutes, distance over that mean, sine and cosine of the hour,
weekend, number of the restaurant. Time is the promised time of the job; all is float64, and cast to float32 for the forest.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import Any

FEATURES = 20
WINDOW_MS = 900_000
FADE = 0.1


@dataclass(slots=True)
class Courier:
    """What is remembered of one courier. last: ms. window: times of the jobs of the last 15 minutes, ms."""

    n: int = 0
    ewma: float = 0.0
    last: int = 0
    window: deque[int] = field(default_factory=deque)


def features(job: Mapping[str, Any], courier: Courier) -> list[float]:
    """Take a job into the courier's memory and return the 20 features. job: fields as in `wire.JOB`, promised_at in ms."""
    t, d = job["promised_at"], job["distance_km"]
    courier.ewma = courier.ewma + FADE * (d - courier.ewma) if courier.n else d
    since = (t - courier.last) / 1000 if courier.n else -1.0
    courier.n += 1
    courier.last = t
    window = courier.window
    window.append(t)
    while window[0] <= t - WINDOW_MS:
        window.popleft()
    angle = 2 * pi * job["hour"] / 24
    return [
        d, job["items"], job["hour"], job["dow"], job["temperature_c"], float(job["rain"]), job["traffic"], job["prep_min"], job["wind"],
        job["load"], job["rating"], courier.n, courier.ewma, since, len(window), d / courier.ewma, sin(angle), cos(angle),
        float(job["dow"] >= 5), float(job["restaurant_id"][1:]),
    ]  # fmt: skip
