"""What does state cost: to find a row, to grow, to log, to forget, to read back? Tables and state log alone, without Kafka.

    python -m tests.benchmarks.state [--json] [--quick] [--keys 1000000] [--row-bytes 128]

One thread, its processor time (neighbours on the machine are no part of it); the best of many rounds where a figure is per record, of
growth the worst batch, for that is what an event waits for.
Recovery reads records from memory: `python -m tests.benchmarks.recovery` reads them from Kafka.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.tables import State, Table, TableSpec
from streams.engine import statelog
from streams.engine.epochs import SWEEP_ROWS
from streams.engine.recent import Recent
from tests.benchmarks.harness import told

KEYS, ROW_BYTES, QUICK = 1_000_000, 128, 50_000
BATCH, BATCHES_AN_EPOCH, ROUNDS = 4_000, 2, 100
HOT, WIDE = 2_000, 500_000
DAY_MS = 86_400_000

Hashes = NDArray[np.uint64]


def clock(work: Callable[[], object]) -> float:
    """Return the processor seconds that some work took."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def resident_mb() -> float:
    """Return the memory that the system has given this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 1e6


def spec(row_bytes: int) -> TableSpec:
    """Return a table whose rows are idle after a day."""
    return TableSpec("keys", np.dtype([("at", "i8"), ("figures", "f8", (row_bytes // 8 - 1,))]), idle=("at", DAY_MS))


def draw(random: np.random.Generator, count: int) -> Hashes:
    """Return so many keys."""
    return random.integers(0, 1 << 64, (count, 2), np.uint64)


def filled(of: TableSpec, keys: Hashes) -> tuple[Table, list[float]]:
    """Return a table of these keys, and the milliseconds that each batch of new ones took."""
    table, took = Table(of), []
    for at in range(0, len(keys), BATCH):
        some = keys[at : at + BATCH]
        began = time.thread_time()
        slots = table.slots(some)
        table.rows["at"][slots] = DAY_MS
        table.keep()
        took.append(1e3 * (time.thread_time() - began))
    return table, took


def touching(of: TableSpec, size: int, random: np.random.Generator) -> dict[str, float]:
    """Return nanoseconds a record to find rows among so many keys, and microseconds a record to log them."""
    keys = draw(random, size)
    table, _ = filled(of, keys)
    table.take_changes()
    finding, reaching, logging, touched = [], [], [], 0
    for _ in range(ROUNDS):
        for _ in range(BATCHES_AN_EPOCH):
            some = keys[random.integers(0, size, BATCH)]
            finding.append(clock(lambda some=some: table.find(some)))  # type: ignore[misc]
            reaching.append(clock(lambda some=some: table.slots(some)))  # type: ignore[misc]
            table.keep()
        began = time.thread_time()
        image = table.take_changes()
        swept = table.sweep(0, SWEEP_ROWS + len(image.keys) // 2)
        statelog.write(statelog.Epoch(0, 1, ((of.name, image), (of.name, swept)), (), 0), writer="w", number=1)
        logging.append(time.thread_time() - began)
        touched = len(image.keys)
    records = BATCH * BATCHES_AN_EPOCH
    return {
        "find_ns": round(1e9 * min(finding) / BATCH, 1),
        "slots_ns": round(1e9 * min(reaching) / BATCH, 1),
        "log_us": round(1e6 * min(logging) / records, 3),
        "rows_an_epoch": touched,
        "log_us_row": round(1e6 * min(logging) / touched, 3),
    }


def back(of: TableSpec, log: list[bytes]) -> tuple[State, float]:
    """Return the state that a log tells, and the seconds it took."""
    state = State([of])
    reading = statelog.Recovery(state, Recent(1, 1), where="memory")
    began = time.thread_time()
    for offset, raw in enumerate(log):
        reading.feed(raw, offset)
    reading.finish()
    return state, time.thread_time() - began


def forget(table: Table, now: int) -> None:
    """Forget what is idle, as a day's tick does."""
    table.drop(table.idle(now - DAY_MS))
    table.keep()


def fail(table: Table, keys: Hashes) -> None:
    """Touch rows and put them back."""
    table.slots(keys)
    table.restore()


def warm(of: TableSpec, random: np.random.Generator) -> None:
    """Do everything once, so that nothing is compiled when it is measured."""
    touching(of, HOT, random)
    table, _ = filled(of, draw(random, 10 * BATCH))
    fail(table, draw(random, 1))
    forget(table, 3 * DAY_MS)
    back(of, statelog.write(statelog.Epoch(0, 1, ((of.name, table.take_changes()),), (), 0), writer="w", number=1))


def measure(keys: int, row_bytes: int) -> dict[str, Any]:
    """Return all figures for a table of so many keys."""
    random, of = np.random.default_rng(1), spec(row_bytes)
    warm(of, random)
    known, empty = draw(random, keys), resident_mb()
    table, took = filled(of, known)
    table.take_changes()
    full = resident_mb()
    scan = min(clock(lambda: table.idle(1)) for _ in range(5))
    log: list[bytes] = []
    for at in range(0, keys, BATCH):
        rows = ((of.name, table.sweep(at, BATCH)),)
        log += statelog.write(statelog.Epoch(at, at + BATCH, rows, (), 0), writer="w", number=at)
    failing = min(clock(lambda: fail(table, known[:BATCH])) for _ in range(10))
    slots = table.slots(known[: keys // 20])
    table.rows["at"][slots] = 10 * DAY_MS
    table.keep()
    before, forgetting = resident_mb(), clock(lambda: forget(table, 5 * DAY_MS))
    table.take_changes()
    freed = before - resident_mb()
    _, recovering = back(of, log)
    return {
        "keys": keys,
        "row_bytes": row_bytes,
        "new_keys_a_batch": BATCH,
        "batch_median_ms": round(float(np.median(took)), 2),
        "batch_worst_ms": round(max(took), 2),
        "rss_of_table_mb": round(full - empty),
        "rss_mb": round(full),
        "hot": touching(of, min(HOT, keys), random),
        "wide": touching(of, min(WIDE, keys), random),
        "idle_scan_ms": round(1e3 * scan, 2),
        "forget_19_of_20_ms": round(1e3 * forgetting, 1),
        "given_back_mb": round(freed),
        "failed_batch_ms": round(1e3 * failing, 2),
        "recover_s": round(recovering, 2),
        "log_mb": round(sum(map(len, log)) / 1e6),
    }


def table_of(found: dict[str, Any]) -> str:
    """Return the figures for people."""
    lines = [
        f"{found['keys']:,} keys of {found['row_bytes']} bytes: {found['rss_of_table_mb']} MB, the process {found['rss_mb']} MB",
        f"{found['new_keys_a_batch']:,} new keys a batch: {found['batch_median_ms']} ms, at worst {found['batch_worst_ms']} ms",
    ]
    for name in ("hot", "wide"):
        one = found[name]
        lines.append(
            f"{name}: find {one['find_ns']} ns, slots {one['slots_ns']} ns, log {one['log_us']} us a record "
            f"({one['rows_an_epoch']:,} rows an epoch, {one['log_us_row']} us each, snapshot included)"
        )
    lines += [
        f"a look for idle rows {found['idle_scan_ms']} ms",
        f"forgetting 19 of 20 keys {found['forget_19_of_20_ms']} ms, {found['given_back_mb']} MB given back",
        f"a failed batch of {found['new_keys_a_batch']:,} put back in {found['failed_batch_ms']} ms",
        f"read back from {found['log_mb']} MB of records in memory: {found['recover_s']} s",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true", help="few keys: to see that it works")
    options.add_argument("--keys", type=int, default=None)
    options.add_argument("--row-bytes", type=int, default=ROW_BYTES, help="a multiple of 8, at least 16")
    given = options.parse_args()
    if given.row_bytes % 8 or given.row_bytes < 16:
        options.error(f"--row-bytes: expected a multiple of 8, at least 16, found {given.row_bytes}")
    found = measure(given.keys or (QUICK if given.quick else KEYS), given.row_bytes)
    print(json.dumps(found | {"machine": told.machine()}) if given.json else table_of(found))


if __name__ == "__main__":
    main()
