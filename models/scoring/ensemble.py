"""What is a forest, once it is free of the library that grew it? Five flat arrays, in a file that nothing has to unpickle.

Nodes stand tree by tree, level by level from the left, so the k-th inner node of a tree (from 0) has its two children at 2k + 1
and 2k + 2. A row goes to the first if its feature is at most the threshold (below it, if strict) or is nan where missing says
so; else to the second. An answer is the sum of one leaf per tree, in the order of the trees and in float32, divided by their
number if average, plus base: the order and the precision of onnxruntime, so the bits are its own.

The file: one line of JSON (format, width of x, average, and name, dtype and length of each array), then the arrays, little-endian.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "affluent-forest/1"
MAX_FEATURES = 2047
MAX_NODES = 1 << 20
"""What a packed node can hold: nodes of one tree, and features of x (twice, and a constant, make 12 bits)."""

_ARRAYS = {"base": "<f4", "start": "<i8", "feature": "<i2", "value": "<f4", "strict": "|b1", "missing": "|b1"}


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A sum or mean of regression trees over x float32 (n, features). Raises ValueError if the arrays are no such trees.

    start: int64 (trees + 1,), first node of each tree, and the count of all. Per node: feature int16, -1 for a leaf; value
    float32, the threshold or the leaf's weight; strict, missing: bool.
    """

    features: int
    average: bool
    base: np.float32
    start: NDArray[np.int64]
    feature: NDArray[np.int16]
    value: NDArray[np.float32]
    strict: NDArray[np.bool_]
    missing: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Refuse what is not a forest."""
        sizes, nodes = np.diff(self.start), len(self.feature)
        if not 0 < self.features <= MAX_FEATURES:
            raise ValueError(f"expected 1 to {MAX_FEATURES} features, found {self.features}")
        if any(len(each) != nodes for each in (self.value, self.strict, self.missing)):
            raise ValueError(f"expected all arrays to be of {nodes} nodes")
        if not len(sizes) or self.start[0] != 0 or self.start[-1] != nodes or sizes.min() < 1 or sizes.max() > MAX_NODES:
            raise ValueError(f"expected one or more trees of 1 to {MAX_NODES} nodes, {nodes} in all, found {sizes[:10]}")
        if nodes >= 1 << 31:
            raise ValueError(f"expected less than {1 << 31} nodes, found {nodes}")
        if self.feature.min() < -1 or self.feature.max() >= self.features:
            found = f"{self.feature.min()} to {self.feature.max()}"
            raise ValueError(f"expected features from 0 to {self.features - 1}, found {found}")
        inner = self.feature >= 0
        whole = sizes == 2 * np.add.reduceat(inner, self.start[:-1], dtype=np.int64) + 1
        if not whole.all() or (self.child <= self._place)[inner].any():
            raise ValueError("expected trees whose nodes stand level by level, each inner one with two children")

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return len(self.start) - 1

    @cached_property
    def child(self) -> NDArray[np.int64]:
        """Where each node's first child is, counted from its tree's first node; a leaf's is the leaf. int64 (nodes,)."""
        inner = self.feature >= 0
        before: NDArray[np.int64] = np.cumsum(inner, dtype=np.int64) - inner
        rank: NDArray[np.int64] = before - np.repeat(before[self.start[:-1]], np.diff(self.start))
        return np.where(inner, 2 * rank + 1, self._place)

    @cached_property
    def _place(self) -> NDArray[np.int64]:
        """Where each node is, counted from its tree's first node."""
        return np.arange(len(self.feature)) - np.repeat(self.start[:-1], np.diff(self.start))

    def to_bytes(self) -> bytes:
        """Return the file; the same forest gives the same bytes."""
        arrays = {name: np.ascontiguousarray(self._array(name), dtype) for name, dtype in _ARRAYS.items()}
        head = {
            "format": FORMAT, "features": self.features, "average": self.average,
            "arrays": [[name, _ARRAYS[name], len(array)] for name, array in arrays.items()],
        }  # fmt: skip
        return b"".join([json.dumps(head).encode(), b"\n", *(array.tobytes() for array in arrays.values())])

    @classmethod
    def from_bytes(cls, content: bytes) -> "Ensemble":
        """Return the forest of a file. Raises ValueError, saying what was expected and found."""
        line, mark, body = content.partition(b"\n")
        try:
            head: dict[str, Any] = json.loads(line) if mark else {}
            lengths = [int(length) for _name, _dtype, length in head["arrays"]]
            declared = [(str(name), str(dtype)) for name, dtype, _length in head["arrays"]]
            features, average = int(head["features"]), bool(head["average"])
            known = head["format"] == FORMAT and declared == list(_ARRAYS.items()) and lengths[0] == 1
        except (KeyError, TypeError, ValueError):
            known, lengths, features, average = False, [], 0, False
        if not known:
            raise ValueError(f"expected a file that opens with {FORMAT} and its arrays, found {line[:80]!r}")
        expected = sum(length * np.dtype(dtype).itemsize for length, dtype in zip(lengths, _ARRAYS.values(), strict=True))
        if min(lengths) < 0 or expected != len(body):
            raise ValueError(f"expected {expected} bytes of arrays, found {len(body)}")
        arrays, offset = {}, 0
        for (name, dtype), length in zip(_ARRAYS.items(), lengths, strict=True):
            arrays[name] = np.frombuffer(body, dtype, length, offset)
            offset += arrays[name].nbytes
        base = np.float32(arrays.pop("base")[0])
        return cls(features=features, average=average, base=base, **arrays)

    def _array(self, name: str) -> NDArray[Any]:
        return np.atleast_1d(getattr(self, name))
