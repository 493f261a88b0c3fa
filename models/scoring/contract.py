"""What may be asked of any backend?"""

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.float32]
"""What a model is given: float32 (n, features), nan where a feature is unknown."""

Answers: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
"""One number per row, (n,): float32, or float64 where the model's own output is."""


class ScoreFailed(Exception):
    """The model part cannot answer, and the message says why: the next rung of the ladder may."""


class Unsupported(Exception):
    """A backend cannot run this model, and the message names what it cannot; another backend may."""


class Scorer(Protocol):
    """A model part ready to answer. The same row gives the same bits, alone or among others."""

    @property
    def name(self) -> str:
        """The backend's name, as manifests have it."""

    def warm(self) -> None:
        """Load and compile all that answering needs, so the first record does not wait. Raises ScoreFailed."""

    def __call__(self, x: Rows) -> Answers:
        """Return the answer for each row, (n,). x: float32 (n, features). Raises ScoreFailed."""


def checked(x: Rows, width: int) -> Rows:
    """Return x if it is float32 (n, width), in C order and writable, else a copy that is. Raises ScoreFailed if its type or
    shape is another.

    Writable, because numba compiles anew for an array that is not, and the first record would wait for that.
    """
    if x.dtype != np.float32 or x.ndim != 2 or x.shape[1] != width:
        raise ScoreFailed(f"expected rows float32 (n, {width}), found {x.dtype} {x.shape}")
    return x if x.flags.carray else np.array(x, np.float32, order="C")


def failure(error: Exception) -> ScoreFailed:
    """Return what a library raised as one line."""
    said = str(error).strip() or type(error).__name__
    return ScoreFailed(f"the model part failed: {said.splitlines()[0][:300]}")
