"""What did a verification find? Counts, the first difference with the field that differs, and how late the outputs came."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Reader, Records
from schemas.event import Topic

Pair = tuple[bytes | None, bytes | None]
"""Key and value."""
Schemas = Callable[[int], Mapping[str, Any] | None]
Rank = tuple[int, int, str]
"""Where a difference stands among others: UNREAD, BY_FACT or BY_RECORD, the offset of the fact or else of the record, the topic."""
UNREAD, BY_FACT, BY_RECORD = range(3)
"""What cannot be read comes first: it may be what others miss."""

OTHERWISE, MISSING, EXTRA, TWICE, UNREADABLE = "otherwise", "missing", "extra", "twice", "unreadable"
"""Kinds of mismatches: it came out otherwise; recomputed, but never published; published, but not recomputed; published twice,
differently; what is published cannot be read."""


@dataclass(frozen=True)
class Difference:
    """One output that came out otherwise. field is None where one side has no such event at all; of what was published twice,
    differently, `recomputed` is what was published again.

    offset: of the fact that led to it; of the published record, where nothing led to it.
    """

    event: str
    event_id: str
    field: str | None
    published: Any
    recomputed: Any
    partition: int = 0
    offset: int = 0


def _none() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass
class Verdict:
    """What a verification found. latency_ms: from the fact's append (at appended_ms) to its output's, by the broker's clock.

    kinds: mismatches by kind. removed: outputs that retention had removed, so nothing was compared with them. begins: of each partition
    that lost some, the offset of the first fact whose outputs are still there.
    """

    agent: str
    records: int = 0
    compared: int = 0
    mismatches: int = 0
    removed: int = 0
    first: Difference | None = None
    latency_ms: NDArray[np.int64] = field(default_factory=_none)
    appended_ms: NDArray[np.int64] = field(default_factory=_none)
    outputs: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    begins: dict[int, int] = field(default_factory=dict)
    rank: Rank | None = None

    def differ(self, kind: str, count: int, rank: Rank, first: Difference | Callable[[], Difference]) -> None:
        """Count mismatches of a kind. rank: where the first of them stands; it is told if that is before all others."""
        self.mismatches += count
        self.kinds[kind] = self.kinds.get(kind, 0) + count
        if self.rank is None or rank < self.rank:
            self.first, self.rank = first if isinstance(first, Difference) else first(), rank


def merged(agent: str, by_partition: Mapping[int, Verdict]) -> Verdict:
    """Return the verdicts of an agent's partitions as one, in the order of the partitions."""
    found, parts = Verdict(agent), [by_partition[number] for number in sorted(by_partition)]
    for part in parts:
        found.records += part.records
        found.compared += part.compared
        found.mismatches += part.mismatches
        found.removed += part.removed
        found.begins |= part.begins
        found.first = found.first or part.first
    for name in ("outputs", "kinds"):
        counts = sum((Counter(getattr(part, name)) for part in parts), Counter[str]())
        setattr(found, name, dict(sorted(counts.items())))
    found.latency_ms = np.concatenate([_none(), *(part.latency_ms for part in parts)])
    found.appended_ms = np.concatenate([_none(), *(part.appended_ms for part in parts)])
    return found


def named(topic: Topic, schemas: Schemas, pair: Pair) -> tuple[str, str]:
    """Return the class and the event id of an output, as far as its bytes say."""
    batch = Reader(topic, schemas).read(Records.of(topic.name, 0, [(0, 0, *pair)]))
    row = next(iter(batch.rows()), None)
    return (topic.name, "?") if row is None else (type(row).__name__, row.event_id)


def compare(topic: Topic, schemas: Schemas, published: Pair, recomputed: Pair) -> tuple[str, str, str, Any, Any]:
    """Return class, event id, field and the two values of the first field that differs between two outputs."""
    known = named(topic, schemas, recomputed)
    if published[0] != recomputed[0]:
        return *known, "key", _shown(published[0]), _shown(recomputed[0])
    pair = Records.of(topic.name, 0, [(0, 0, *published), (1, 0, *recomputed)])
    rows = [row.model_dump() for row in Reader(topic, schemas).read(pair).rows()]
    if len(rows) == 2:  # both can be read
        for each in rows[1]:
            if each not in rows[0] or not _equal(rows[0][each], rows[1][each]):
                return *known, *_first(each, rows[0].get(each), rows[1][each])
    return *known, "bytes", (published[1] or b"").hex(), (recomputed[1] or b"").hex()


def _shown(key: bytes | None) -> str | None:
    return None if key is None else key.decode(errors="replace")


def _equal(a: Any, b: Any) -> bool:
    """Whether two values are the same; a number that is not known equals itself."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b or (a != a and b != b))


def _first(name: str, published: Any, recomputed: Any) -> tuple[str, Any, Any]:
    """Name the first differing element of a list, else the field itself."""
    if isinstance(published, list) and isinstance(recomputed, list):
        for i, (a, b) in enumerate(zip(published, recomputed, strict=False)):
            if not _equal(a, b):
                return f"{name}[{i}]", a, b
    return name, published, recomputed
