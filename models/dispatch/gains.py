"""How do the gains of the past tell of the next one? The compiled part of the feature fold, and the names of its columns.

A state fades with event time: what is a minute old counts more than what is an hour old. Everything here is in one file,
for the compiler's cache looks at this file alone.
"""

from typing import Any

import numpy as np

from models.compiled import compiled

NAMES = (
    "lateness_s", "planned_s", "distance_km", "planned_kmph", "items", "hour_local", "weekday_local",
    "humidity_pct", "wind_mps", "gust_mps", "precipitation_mm", "pressure_hpa", "visibility_km",
    "expected_gain_s", "lane_gain_ewma_s", "lane_gain_last_s", "lane_seen",
    "route_gain_mean_s", "route_gain_ewma_s", "route_residual_30min_s", "route_residual_12h_s",
    "company_gain_ewma_s", "company_residual_30min_s", "depot_residual_30min_s", "depot_residual_line_s",
    "courier_gain_mean_s", "courier_seen", "courier_idle_s",
    "depot_starts_10min", "depot_starts_30min", "depot_starts_2h", "depot_lateness_30min_s",
)  # fmt: skip
"""The columns of x. A gain is lateness at arrival minus lateness at the start; a residual is a gain minus the
expected one; a time in a name is how fast it fades."""

(
    LATENESS, PLANNED, DISTANCE, SPEED, ITEMS, HOUR, WEEKDAY,
    HUMIDITY, WIND, GUST, PRECIPITATION, PRESSURE, VISIBILITY,
    EXPECTED, LANE_EWMA, LANE_LAST, LANE_SEEN,
    ROUTE_MEAN, ROUTE_EWMA, ROUTE_SHORT, ROUTE_LONG,
    COMPANY_EWMA, COMPANY_SHORT, DEPOT_SHORT, DEPOT_LINE,
    COURIER_MEAN, COURIER_SEEN, COURIER_IDLE,
    STARTS_10MIN, STARTS_30MIN, STARTS_2H, DEPOT_LATENESS,
) = range(len(NAMES))  # fmt: skip

UNKNOWN = np.nan
"""What stands in x where we know nothing."""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_WEATHER_LIMIT_MS = 3 * HOUR_MS
_SHORT_MS, _LONG_MS, _LINE_MS = 0.5 * HOUR_MS, 12.0 * HOUR_MS, 6.0 * HOUR_MS
_MEAN_OF, _EWMA_OF = 200.0, 20.0
_FULL_TRUST = 5.0
_GAIN_LIMIT_S, _RESIDUAL_LIMIT_S = 21_600.0, 2_700.0
"""A gain is cut at six hours and a residual at 45 minutes before it is learnt, so one absurd record cannot spoil a mean."""


@compiled
def _fading(then: int, now: int, scale_ms: float) -> float:
    """What is left of a weight after the time between two moments; a time that runs back leaves all of it."""
    return np.exp(-max(now - then, 0) / scale_ms) if then > 0 else 0.0


@compiled
def _weights(newest: int, at: int, scale_ms: float) -> tuple[float, float]:
    """What is left of a fading sum, and what something that happened at `at` weighs in it: whichever is older has faded."""
    if at >= newest:
        return _fading(newest, at, scale_ms), 1.0
    return 1.0, _fading(at, newest, scale_ms)


@compiled
def _residual(total: float, weight: float, left: float) -> float:
    """A mean that leans to 0 while it stands on little: as if one residual of 0 had been seen now."""
    return total * left / (weight * left + 1.0)


@compiled
def _learn(row: Any, at: int, gain: float, residual: float) -> None:
    """Take one completed job into a courier, route, company, lane or depot."""
    row.seen += 1
    if at >= row.last_at:
        row.last_s = gain
    row.mean_s += (gain - row.mean_s) / min(row.seen, _MEAN_OF)
    row.ewma_s += (gain - row.ewma_s) / min(row.seen, _EWMA_OF)
    short, weight = _weights(row.last_at, at, _SHORT_MS)
    row.short_sum_s = row.short_sum_s * short + residual * weight
    row.short_weight = row.short_weight * short + weight
    long, weight = _weights(row.last_at, at, _LONG_MS)
    row.long_sum_s = row.long_sum_s * long + residual * weight
    row.long_weight = row.long_weight * long + weight
    row.last_at = max(row.last_at, at)


@compiled
def _start(row: Any, at: int, lateness: float) -> None:
    """Take one started job into its depot."""
    left, weight = _weights(row.starts_at, at, _SHORT_MS / 3)
    row.starts_10min = row.starts_10min * left + weight
    left, weight = _weights(row.starts_at, at, _SHORT_MS * 4)
    row.starts_2h = row.starts_2h * left + weight
    left, weight = _weights(row.starts_at, at, _SHORT_MS)
    row.starts_30min = row.starts_30min * left + weight
    row.lateness_sum_s = row.lateness_sum_s * left + lateness * weight
    row.starts_at = max(row.starts_at, at)


@compiled
def _line(row: Any, at: int, hours: float, residual: float) -> None:
    """Take one completed job into the depot's line: residual against planned hours (long ways share the wind)."""
    left, weight = _weights(row.line_at, at, _LINE_MS)
    row.line_n = row.line_n * left + weight
    row.line_x = row.line_x * left + weight * hours
    row.line_xx = row.line_xx * left + weight * hours * hours
    row.line_y = row.line_y * left + weight * residual
    row.line_xy = row.line_xy * left + weight * hours * residual
    row.line_at = max(row.line_at, at)


@compiled
def _on_line(row: Any, at: int, hours: float) -> Any:
    """The line's residual for a job of these planned hours; leans to 0 while it stands on little."""
    left = _fading(row.line_at, at, _LINE_MS)
    n = row.line_n * left
    if n < 1e-9:
        return 0.0
    mean_x, mean_y = row.line_x / row.line_n, row.line_y * left / (n + 3.0)
    spread = max(row.line_xx * left - n * mean_x * mean_x, 0.0)
    slope = (row.line_xy * left - n * mean_x * (row.line_y / row.line_n)) / (spread + 3.0)
    return mean_y + slope * (hours - mean_x)


@compiled
def fold_records(
    kinds: Any, kind: Any, row: Any, at: Any, teaches: Any, opens: Any,
    jobs_in: Any, promised: Any, zone: Any, of_accepted: Any, of_completed: Any, readings: Any, of_reading: Any,
    couriers: Any, routes: Any, companies: Any, lanes: Any, depots: Any, scenes: Any, jobs: Any, x: Any,
) -> int:  # fmt: skip
    """Fold records in the order in which they count into the tables, and write what was known at each acceptance into x.
    Returns how many taught something.

    kinds: the numbers of acceptance, completion and weather. jobs_in: (m, 4) lateness, planned, distance, items. of_*:
    row numbers in the tables: courier, route, company, lane, depot (gains), depot (scene), job; -1 where there is none.
    readings: (w, 6) in the order of the depot's row. teaches: False for a fact that came too late. opens: False for an acceptance
    that is older than the one in force.
    """
    taught = 0
    for i in range(kind.shape[0]):
        k, r, t = kind[i], row[i], at[i]
        if k == kinds[0]:
            scene, job = scenes[of_accepted[r, 5]], jobs[of_accepted[r, 6]]
            lateness, planned, distance, items = jobs_in[r]
            out = x[r]
            out[:] = UNKNOWN
            out[LATENESS], out[PLANNED], out[DISTANCE], out[ITEMS] = lateness, planned, distance, items
            if planned > 0.0:
                out[SPEED] = min(3600.0 * distance / planned, 1e6)
            local = t + 1000 * zone[r]
            out[HOUR] = (local % DAY_MS) / HOUR_MS
            out[WEEKDAY] = (local // DAY_MS + 3) % 7  # 1970-01-01 was a Thursday
            if scene.weather_at > 0 and t - scene.weather_at <= _WEATHER_LIMIT_MS:
                out[HUMIDITY], out[WIND], out[GUST] = scene.humidity_pct, scene.wind_mps, scene.gust_mps
                out[PRECIPITATION], out[PRESSURE] = scene.precipitation_mm, scene.pressure_hpa
                out[VISIBILITY] = scene.visibility_km
            expected = 0.0
            out[DEPOT_LINE] = _on_line(scene, t, planned / 3600.0)
            out[ROUTE_SHORT], out[ROUTE_LONG], out[COMPANY_SHORT], out[LANE_SEEN], out[COURIER_SEEN] = 0.0, 0.0, 0.0, 0.0, 0.0
            out[DEPOT_SHORT] = 0.0
            if of_accepted[r, 4] >= 0 and depots[of_accepted[r, 4]].seen > 0:
                depot = depots[of_accepted[r, 4]]
                expected = depot.mean_s
                out[DEPOT_SHORT] = _residual(depot.short_sum_s, depot.short_weight, _fading(depot.last_at, t, _SHORT_MS))
            if of_accepted[r, 1] >= 0 and routes[of_accepted[r, 1]].seen > 0:
                route = routes[of_accepted[r, 1]]
                out[ROUTE_MEAN], out[ROUTE_EWMA] = route.mean_s, route.ewma_s
                out[ROUTE_SHORT] = _residual(route.short_sum_s, route.short_weight, _fading(route.last_at, t, _SHORT_MS))
                out[ROUTE_LONG] = _residual(route.long_sum_s, route.long_weight, _fading(route.last_at, t, _LONG_MS))
                expected += (route.mean_s - expected) * route.seen / (route.seen + _FULL_TRUST)
            if of_accepted[r, 2] >= 0 and companies[of_accepted[r, 2]].seen > 0:
                company = companies[of_accepted[r, 2]]
                out[COMPANY_EWMA] = company.ewma_s
                out[COMPANY_SHORT] = _residual(company.short_sum_s, company.short_weight, _fading(company.last_at, t, _SHORT_MS))
            if of_accepted[r, 3] >= 0 and lanes[of_accepted[r, 3]].seen > 0:
                lane = lanes[of_accepted[r, 3]]
                out[LANE_EWMA], out[LANE_LAST], out[LANE_SEEN] = lane.ewma_s, lane.last_s, lane.seen
                expected += (lane.mean_s - expected) * lane.seen / (lane.seen + _FULL_TRUST)
            out[EXPECTED] = expected
            if of_accepted[r, 0] >= 0 and couriers[of_accepted[r, 0]].seen > 0:
                courier = couriers[of_accepted[r, 0]]
                out[COURIER_MEAN], out[COURIER_SEEN], out[COURIER_IDLE] = (
                    courier.mean_s,
                    courier.seen,
                    max(t - courier.last_at, 0) / 1000.0,
                )
            half = _fading(scene.starts_at, t, _SHORT_MS)
            out[STARTS_10MIN] = scene.starts_10min * _fading(scene.starts_at, t, _SHORT_MS / 3)
            out[STARTS_30MIN] = scene.starts_30min * half
            out[STARTS_2H] = scene.starts_2h * _fading(scene.starts_at, t, _SHORT_MS * 4)
            if out[STARTS_30MIN] > 1e-6:
                out[DEPOT_LATENESS] = scene.lateness_sum_s / scene.starts_30min
            if teaches[i]:
                _start(scene, t, lateness)
                taught += 1
            if opens[i]:
                job.promised_at, job.lateness_s = promised[r], lateness
                job.planned_s, job.expected_s = planned, expected
        elif k == kinds[1]:
            if not teaches[i]:
                continue
            taught += 1
            scene, job = scenes[of_completed[r, 5]], jobs[of_completed[r, 6]]
            gain = (t - job.promised_at) / 1000.0 - job.lateness_s
            gain = min(max(gain, -_GAIN_LIMIT_S), _GAIN_LIMIT_S)
            residual = min(max(gain - job.expected_s, -_RESIDUAL_LIMIT_S), _RESIDUAL_LIMIT_S)
            _learn(couriers[of_completed[r, 0]], t, gain, residual)
            _learn(routes[of_completed[r, 1]], t, gain, residual)
            _learn(companies[of_completed[r, 2]], t, gain, residual)
            _learn(lanes[of_completed[r, 3]], t, gain, residual)
            _learn(depots[of_completed[r, 4]], t, gain, residual)
            _line(scene, t, job.planned_s / 3600.0, residual)
        elif k == kinds[2]:
            scene = scenes[of_reading[r]]
            if teaches[i] and t >= scene.weather_at:
                taught += 1
                scene.weather_at = t
                scene.humidity_pct, scene.wind_mps, scene.gust_mps = readings[r, 0], readings[r, 1], readings[r, 2]
                scene.precipitation_mm, scene.pressure_hpa, scene.visibility_km = readings[r, 3], readings[r, 4], readings[r, 5]
    return taught
