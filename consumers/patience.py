"""What do we do while the world is away? Try the same step again, with growing pauses, until it works or we are told to stop."""

from collections.abc import Callable
from threading import Event as Flag
from typing import TypeVar

from infra.errors import Unavailable

FIRST_S, LONGEST_S = 0.1, 5.0
"""The first pause, and the one they grow to."""

R = TypeVar("R")


class Stopped(Exception):
    """We were told to stop before the world came back; the step was not done."""


def patiently(step: Callable[[], R], *, stop: Flag, away: Callable[[Unavailable, float], None]) -> R:
    """Return what the step returns. away: told why each try failed, and the pause in seconds. Raises Stopped."""
    pause = FIRST_S
    while True:
        try:
            return step()
        except Unavailable as error:
            away(error, pause)
            if stop.wait(pause):
                raise Stopped from error
            pause = min(2 * pause, LONGEST_S)
