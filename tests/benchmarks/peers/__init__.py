"""Against what do we measure ourselves? The delay-scoring work, written for other systems as a careful user of each would write it.

    python -m tests.benchmarks.peers.NAME --brokers B --topic IN --out OUT --group G --model PATH.onnx

Each works until SIGTERM and is a module with `LINES` (its own lines of code, counted), `AT_LEAST_ONCE` (what survives a crash as it
is written here) and `available()` (why it cannot run here, None if it can). What the Python peers share is the plain program of the
work (`work.domain`), the bytes of a record (`records`) and the forest (`trees`).
"""

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from tests.benchmarks.peers.size import python_lines

NAMES = ("echo", "loop", "loop_batch", "faust", "faust_tuned", "faust_take", "quix", "kafka_streams")
"""Every peer; `echo` does no work."""

_HERE = Path(__file__).parent
SHARED_LINES = python_lines(_HERE / "records.py", _HERE / "trees.py", _HERE.parent / "work" / "domain.py")
"""What each Python peer has besides its own lines; Kafka Streams has all in its own."""


class Peer(Protocol):
    """What a peer's module says of itself."""

    LINES: int
    AT_LEAST_ONCE: str

    def available(self) -> str | None:
        """Return why it cannot run here, None if it can."""


def peer(name: str) -> Peer:
    """Return a peer's module by its name."""
    if name not in NAMES:
        raise ValueError(f"no peer is called {name!r}: expected {', '.join(NAMES)}")
    return cast("Peer", import_module(f"tests.benchmarks.peers.{name}"))
