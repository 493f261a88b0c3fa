"""How does a forest answer without a runtime? Packed into words of eight bytes and walked by compiled kernels.

No code is compiled for a model: the kernels are the same for all, and come from numba's cache on disk.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.scoring.contract import Answers, Rows, checked, failure
from models.scoring.ensemble import Ensemble
from models.scoring.kernels import (
    CHILD_BITS,
    COLUMNS,
    DEPTH,
    KEYS,
    LANES,
    LAYOUT,
    LOWEST,
    NEXT,
    START,
    TOP,
    score_few,
    score_many,
)  # fmt: skip

FEW = 20
"""Up to so many rows it is quicker to fill the lanes with trees than with rows."""


@dataclass(frozen=True, eq=False)
class Packed:
    """A forest as the kernels walk it; see `kernels.py` for what the arrays hold."""

    sources: NDArray[np.int32]
    words: NDArray[np.int64]
    roots: NDArray[np.int32]
    trees: NDArray[np.int32]
    divisor: np.float32
    base: np.float32


def pack(forest: Ensemble) -> Packed:
    """Return the forest packed. A strict threshold becomes the next lower key, so all comparisons are one."""
    leaf = forest.feature < 0
    column_of = np.where(leaf, -1, 2 * forest.feature.astype(np.int32) + forest.missing)
    sources = np.unique(column_of[~leaf]).astype(np.int32)
    column = np.where(leaf, 0, 1 + np.searchsorted(sources, column_of)).astype(np.int64)
    upper = np.where(leaf, forest.value.view(np.int32), _threshold_keys(forest)).astype(np.int64)
    words = np.append(upper << 32 | column << CHILD_BITS | forest.child, 0)
    spare = np.full(-forest.trees % LANES, len(words) - 1)  # lanes without a tree stand on a leaf of their own
    roots = np.concatenate([forest.start[:-1], spare]).astype(np.int32)
    divisor = np.float32(forest.trees if forest.average else 1)
    return Packed(sources, words, roots, _table(forest, words), divisor, forest.base)


def _threshold_keys(forest: Ensemble) -> NDArray[np.int32]:
    bits = np.where(forest.value == 0, np.float32(0.0), forest.value).view(np.int32)  # -0.0 is 0.0
    keys = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    keys = np.where(forest.strict, keys - 1, keys)
    return np.where(np.isnan(forest.value), LOWEST, keys).astype(np.int32)  # nothing is at most nan


def _table(forest: Ensemble, words: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the table of trees: int32 (trees, LAYOUT)."""
    first = forest.start[:-1]
    table = np.zeros((forest.trees, LAYOUT), np.int32)
    table[:, START], table[:, DEPTH] = first, _depths(forest)
    leads_to = np.zeros((forest.trees, (2 << TOP) - 1), np.int64)
    for node in range((1 << TOP) - 1):
        word = words[first + leads_to[:, node]]
        column, child = word >> CHILD_BITS & 0xFFF, word & (1 << CHILD_BITS) - 1
        table[:, KEYS + node], table[:, COLUMNS + node] = word >> 32, column
        leads_to[:, 2 * node + 1], leads_to[:, 2 * node + 2] = child, np.where(column == 0, child, child + 1)
    table[:, NEXT:] = leads_to[:, (1 << TOP) - 1 :]
    return table


def _depths(forest: Ensemble) -> NDArray[np.int32]:
    """Return the levels below the root of each tree: int32 (trees,)."""
    depths = np.zeros(forest.trees, np.int32)
    tree = np.arange(forest.trees)
    place = forest.start[:-1]
    level = 0
    while True:
        inner = forest.feature[place] >= 0
        if not inner.any():
            return depths
        tree, place = tree[inner], place[inner]
        level += 1
        depths[tree] = level
        child = forest.start[tree] + forest.child[place]
        tree, place = np.concatenate([tree, tree]), np.concatenate([child, child + 1])


class Forest:
    """A forest from the file that `Ensemble.to_bytes` writes."""

    name = "forest"

    def __init__(self, model: bytes) -> None:
        """model: it is read when first asked, and one that cannot be read fails to score."""
        self._model = model

    def warm(self) -> None:
        """Read and pack the forest, and compile both kernels or load them from the cache."""
        for rows in (1, FEW + 1):
            self(np.zeros((rows, self._ensemble.features), np.float32))

    def __call__(self, x: Rows) -> Answers:
        """Return the answer for each row, float32."""
        x = checked(x, self._ensemble.features)
        out, it = np.empty(len(x), np.float32), self._packed
        if len(x) <= FEW:
            score_few(x, it.sources, it.words, it.roots, it.trees, it.divisor, it.base, out)
        else:
            score_many(x, it.sources, it.words, it.trees, it.divisor, it.base, out)
        return out

    @cached_property
    def _ensemble(self) -> Ensemble:
        try:
            return Ensemble.from_bytes(self._model)
        except ValueError as error:
            raise failure(error) from error

    @cached_property
    def _packed(self) -> Packed:
        return pack(self._ensemble)
