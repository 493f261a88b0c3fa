"""How is a fold made fast? By numba, in one way everywhere: cached on disk, without the GIL, IEEE arithmetic as written."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function compiled to machine code at its first call; no fast-math, so replays repeat to the bit."""
    return cast("Callable[P, R]", njit(cache=True, nogil=True, fastmath=False)(function))
