"""When is a worker that ended started again, and what does its end mean? After a pause that doubles while it keeps ending; in words."""

import signal
from dataclasses import dataclass, field

from streams.engine.watchdog import STUCK

_MEANS = {
    0: "ended by itself, though nobody asked it to",
    1: "failed; its last line says why",
    2: "was refused: its settings or words are wrong",
    STUCK: "was stuck: records waited and nothing was done",
}


def explain(code: int) -> str:
    """Return what an exit code means, as the end of a sentence about the worker.

    >>> explain(-9)
    'was ended by SIGKILL: by someone, or by the system for want of memory'
    """
    if code >= 0:
        return _MEANS.get(code, f"ended with code {code}")
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"was ended by {name}" + (": by someone, or by the system for want of memory" if code == -signal.SIGKILL else "")


@dataclass
class Restarts:
    """The patience with one worker. Seconds; a run that lasts longer than healthy_s forgives what was before.

    A crash loop would make the whole group rebalance without end, so after `give_up_after` quick ends in a row it is over.
    """

    first_pause_s: float = 1.0
    longest_pause_s: float = 30.0
    healthy_s: float = 60.0
    give_up_after: int = 5
    quick: int = field(default=0, init=False)

    def ended(self, code: int, ran_s: float) -> float | None:
        """Return after which pause to start it again; None: not at all. One that was stuck after a long run starts at once."""
        healthy = ran_s > self.healthy_s
        self.quick = 0 if healthy else self.quick + 1
        if self.quick >= self.give_up_after:
            return None
        if code == STUCK and healthy:
            return 0.0
        return float(min(self.first_pause_s * 2**self.quick, self.longest_pause_s))
