"""Does any kernel leave its arrays? Run with NUMBA_BOUNDSCHECK=1: then numba looks at every index, and one outside raises.

Not a test itself: `test_bounds.py` runs it in a process of its own, with a cache of its own, for compiled code is cached without
regard to that setting.
"""

import random
import struct
from typing import Any

import numpy as np

from schemas import avro
from schemas.columns import Columns, Reader, Records, Strings, derive_ids, encode, hash_strings
from schemas.columns.layout import layout
from schemas.event import Topic
from schemas.rendering import every_event
from tests.builders import many

TOPIC = Topic("tests.anything.v1", key="event_id")


def damaged(raw: bytes, dice: random.Random) -> bytes:
    """Return the bytes with something cut, changed or put in, behind a whole frame or not."""
    broken = bytearray(raw)
    for _ in range(dice.randint(1, 3)):
        at = dice.randint(min(5 if dice.random() < 0.9 else 0, len(broken)), len(broken))
        how = dice.choice(("cut", "change", "put", "high"))
        if how == "cut":
            del broken[at:]
        elif how == "put":
            broken[at:at] = dice.randbytes(dice.randint(1, 10))
        elif at < len(broken):
            broken[at] = dice.randint(0, 255) if how == "change" else 0xFF
    return bytes(broken)


def main() -> None:
    """Read damaged records of every event, each at the very end of its buffer too, and use what was read."""
    try:
        Strings(np.zeros(3, np.uint8), np.zeros(1, np.int64), np.full(1, 30, np.int32)).pack()
    except IndexError:
        pass
    else:
        raise SystemExit("bounds are not checked: set NUMBA_BOUNDSCHECK=1")
    dice, good, bad = random.Random(7), 0, 0
    for event in every_event():
        reader = Reader(TOPIC, {1: avro.schema(event)}.get, holds=(event,))
        keyed: dict[str, Any] = {key: "key"} if (key := layout(event).key) else {}
        raws = [raw or b"" for raw in encode(Columns.of(many(event, 20, **keyed)), 1).raws()]
        for _ in range(30):
            values = [damaged(dice.choice(raws), dice) if dice.random() < 0.8 else dice.choice(raws) for _ in range(50)]
            values += [struct.pack(">bI", 0, 1) + dice.randbytes(dice.randint(0, 60))]
            batch = reader.read(Records.of(TOPIC.name, 0, [(i, 0, b"key", value) for i, value in enumerate(values)]))
            columns: Columns[Any] = batch.of(event)
            hash_strings(columns["event_id"], derive_ids("Kind", columns["event_id"]))
            if columns.n:
                encode(columns, 1)
            batch.slice(10, 40).drop(np.arange(30) % 3 == 0)
            good, bad = good + columns.n, bad + len(batch.letters)
    print(f"{good} good, {bad} bad")


if __name__ == "__main__":
    main()
