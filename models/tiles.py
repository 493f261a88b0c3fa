"""What happened in the last quarter of an hour? Sums, counts, least and greatest over fixed tiles of event time, inside a row.

A window of a row is a ring of tiles: `window("u4", tiles=15)` is a field's dtype, and the functions here are called from folds:

    ORDERS = TableSpec("orders", np.dtype([("last_15min", tiles.window(15, "sum"))]))

    late += not tiles.add_sum(row.last_15min, at, MINUTE_MS, value)
    x[i] = tiles.total(row.last_15min, at, MINUTE_MS, 15)

Each event lands in the tile of its own time, in whatever order it comes, as long as the ring still holds that tile; an older one is
late: nothing changes, and the fold counts it. Reading asks for the last so many tiles as of a moment, that moment's own tile the newest:
what has happened since is not in it. A ring of more tiles than are read gives what comes late, and who asks late, the exact answer.
Times are ms since 1970, not before. Sums are added up tile by tile, in the order of time: the same bits however the log is cut.
"""

from typing import Any, Literal

import numpy as np

from models.compiled import inner

Holds = Literal["sum", "least", "most"]


def window(tiles: int, *holds: Holds, counts: str = "u4") -> np.dtype[Any]:
    """Return the dtype of a ring of tiles, all empty when zero. counts: the type that counts the events of a tile.

    holds: what to keep of values beside their count. Raises ValueError if there is not at least one tile.
    """
    if tiles < 1:
        raise ValueError(f"tiles: expected at least 1, found {tiles}")
    return np.dtype([("newest", "i8"), ("count", counts, (tiles,)), *((name, "f8", (tiles,)) for name in holds)])


@inner
def place(ring: Any, at: int, width_ms: int) -> int:
    """Make room for an event and return the place of its tile, -1 if it is older than the ring. Empties the tiles it passes."""
    size = len(ring.count)
    tile = at // width_ms
    if at < 0 or tile <= ring.newest - size:
        return -1
    if tile > ring.newest:
        for passed in range(max(ring.newest + 1, tile - size + 1), tile + 1):
            ring.count[passed % size] = 0
        ring.newest = tile
    return int(tile % size)


@inner
def add(ring: Any, at: int, width_ms: int) -> bool:
    """Count an event; False if it is late."""
    here = place(ring, at, width_ms)
    if here < 0:
        return False
    ring.count[here] += 1
    return True


@inner
def add_sum(ring: Any, at: int, width_ms: int, value: float) -> bool:
    """Count an event and add its value up; False if it is late."""
    here = place(ring, at, width_ms)
    if here < 0:
        return False
    ring.sum[here] = value if ring.count[here] == 0 else ring.sum[here] + value
    ring.count[here] += 1
    return True


@inner
def add_range(ring: Any, at: int, width_ms: int, value: float) -> bool:
    """Count an event, add its value up, and keep it if it is its tile's least or most; False if it is late."""
    here = place(ring, at, width_ms)
    if here < 0:
        return False
    fresh = ring.count[here] == 0
    ring.sum[here] = value if fresh else ring.sum[here] + value
    ring.least[here] = value if fresh else min(ring.least[here], value)
    ring.most[here] = value if fresh else max(ring.most[here], value)
    ring.count[here] += 1
    return True


@inner
def _first(ring: Any, at: int, width_ms: int, tiles: int) -> int:
    """Return the oldest tile to read."""
    return int(max(at // width_ms - tiles + 1, ring.newest - len(ring.count) + 1, 0))


@inner
def _last(ring: Any, at: int, width_ms: int) -> int:
    """Return the newest tile to read."""
    return int(min(at // width_ms, ring.newest))


@inner
def events(ring: Any, at: int, width_ms: int, tiles: int) -> int:
    """Return how many events there are in the last `tiles` tiles as of a moment."""
    found = 0
    for tile in range(_first(ring, at, width_ms, tiles), _last(ring, at, width_ms) + 1):
        found += int(ring.count[tile % len(ring.count)])
    return found


@inner
def total(ring: Any, at: int, width_ms: int, tiles: int) -> float:
    """Return the sum of the values in the last `tiles` tiles as of a moment."""
    found = 0.0
    for tile in range(_first(ring, at, width_ms, tiles), _last(ring, at, width_ms) + 1):
        here = tile % len(ring.count)
        if ring.count[here] > 0:
            found += ring.sum[here]
    return found


@inner
def least(ring: Any, at: int, width_ms: int, tiles: int) -> float:
    """Return the least value in the last `tiles` tiles as of a moment, nan if there is none."""
    found = np.nan
    for tile in range(_first(ring, at, width_ms, tiles), _last(ring, at, width_ms) + 1):
        here = tile % len(ring.count)
        if ring.count[here] > 0 and not found <= ring.least[here]:
            found = ring.least[here]
    return found


@inner
def most(ring: Any, at: int, width_ms: int, tiles: int) -> float:
    """Return the greatest value in the last `tiles` tiles as of a moment, nan if there is none."""
    found = np.nan
    for tile in range(_first(ring, at, width_ms, tiles), _last(ring, at, width_ms) + 1):
        here = tile % len(ring.count)
        if ring.count[here] > 0 and not found >= ring.most[here]:
            found = ring.most[here]
    return found
