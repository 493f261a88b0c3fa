"""What came from the log? The raw records of one partition, in order, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.columns.arrays import Bytes, Int64s
from schemas.columns.strings import Strings

Message = tuple[int, int, bytes | None, bytes | None]
"""Offset, append time (ms), key, value."""


@dataclass(frozen=True, slots=True)
class Records:
    """n records of one partition. appended_at: ms, by the broker. A key or value of length -1 is null."""

    topic: str
    partition: int
    offsets: Int64s
    appended_at: Int64s
    keys: Strings
    values: Strings

    @classmethod
    def of(cls, topic: str, partition: int, messages: Sequence[Message]) -> "Records":
        """Return these messages as columns; their bytes are copied into one buffer."""
        offsets, appended_at, keys, values = zip(*messages, strict=True) if messages else ((), (), (), ())
        return cls(
            topic, partition, np.array(offsets, np.int64), np.array(appended_at, np.int64), Strings.of(keys), Strings.of(values)
        )

    def __len__(self) -> int:
        """Return n."""
        return len(self.offsets)

    def slice(self, first: int, last: int) -> "Records":
        """Return the records first..last (exclusive), as views."""
        cut = slice(first, last)
        return Records(
            self.topic, self.partition, self.offsets[cut], self.appended_at[cut], self.keys.take(cut), self.values.take(cut)
        )

    @classmethod
    def join(cls, parts: Sequence["Records"]) -> "Records":
        """Return the parts, all of one partition and not empty, one after the other."""
        first = parts[0]
        if len(parts) == 1:
            return first
        data = np.concatenate([part.values.data for part in parts])
        sizes = np.cumsum([0, *(len(part.values.data) for part in parts)])
        shared = all(part.keys.data is part.values.data for part in parts)
        values = _shifted([part.values for part in parts], sizes, data)
        keys = _shifted([part.keys for part in parts], sizes, data) if shared else Strings.concat([part.keys for part in parts])
        offsets, appended_at = (np.concatenate([getattr(part, name) for part in parts]) for name in ("offsets", "appended_at"))
        return cls(first.topic, first.partition, offsets, appended_at, keys, values)


def _shifted(parts: Sequence[Strings], sizes: Int64s, data: Bytes) -> Strings:
    """Return the places of all parts in the buffer in which their buffers follow each other."""
    start = np.concatenate([part.start + at for part, at in zip(parts, sizes.tolist(), strict=False)])
    return Strings(data, start, np.concatenate([part.length for part in parts]))
