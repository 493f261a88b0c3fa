"""Does memory come when it is touched, go when it is released, and do without reserves where they are rationed?"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models import memory
from models.memory import Growing
from models.tables import Table, TableSpec

LIMITED = """
import resource
import numpy as np
import models.tables as tables
from models import memory
SPEC = tables.TableSpec("visits", np.dtype([("n", "i8"), ("x", "f8", (15,))]))
keys = np.random.default_rng(1).integers(0, 2**63, (100_000, 2)).astype(np.uint64)
tables.Table(SPEC).slots(keys[:10])
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
memory.reservable.cache_clear()
resource.setrlimit(resource.RLIMIT_AS, (held + (400 << 20),) * 2)
table = tables.Table(SPEC)
for at in range(0, len(keys), 4_000):
    slots = table.slots(keys[at : at + 4_000])
    table.rows["n"][slots] = np.arange(at, at + 4_000)
    table.keep()
assert (table.rows["n"][table.find(keys)] == np.arange(len(keys))).all()
print(memory.reservable(), len(table))
"""


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def filled(count: int) -> Table:
    """A table of rows of a kilobyte."""
    table = Table(TableSpec("wide", np.dtype([("x", "f8", (128,))])))
    for at in range(0, count, 2_000):
        keys = np.arange(at, min(at + 2_000, count), dtype=np.uint64)
        slots = table.slots(np.stack([keys, keys], axis=1))
        table.rows["x"][slots] = 1.0
        table.keep()
    return table


@pytest.mark.parametrize("free", [True, False])
def test_items_appear_as_zeros_and_keep_what_was_written(free: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "reservable", lambda: free)
    array = Growing(12, most=1_000)
    array.reach(10)
    array.items[:] = np.arange(120).reshape(10, 12)
    array.reach(5_000)

    assert array.items[:10].ravel().tolist() == list(range(120))
    assert not array.items[10:].any()


@pytest.mark.parametrize("free", [True, False])
def test_what_is_released_is_zero_and_its_neighbours_are_untouched(free: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "reservable", lambda: free)
    array = Growing(24)
    array.reach(10_000)
    array.items[:] = 7
    array.release(123, 9_000)

    assert (array.items[:123] == 7).all()
    assert not array.items[123:9_000].any()
    assert (array.items[9_000:] == 7).all()


@pytest.mark.skipif(not memory.reservable(), reason="address space is rationed here")
def test_memory_comes_when_it_is_touched_and_goes_when_it_is_released_or_dropped() -> None:
    size, mega = 1 << 20, 1 << 20
    before = resident()
    array = Growing(64)
    array.reach(size)
    assert resident() - before < 16 * mega

    array.items[:] = 1
    assert resident() - before > 48 * mega
    array.release(size // 4, size)
    assert resident() - before < 32 * mega
    del array
    assert resident() - before < 16 * mega


def test_a_table_works_where_address_space_is_limited() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)

    assert done.stdout.split() == ["False", "100000"], done.stderr[-500:]


@pytest.mark.skipif(not memory.reservable(), reason="address space is rationed here")
def test_a_table_that_is_let_go_gives_everything_back() -> None:
    mega = 1 << 20
    filled(300)  # compiled code takes memory, too
    before = resident()
    table = filled(60_000)
    assert resident() - before > 50 * mega

    del table
    assert resident() - before < 16 * mega
