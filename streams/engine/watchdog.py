"""Is the worker stuck? If nothing is finished for minutes though Kafka, asked directly, answers that there is work.

Waiting for a broker, a registry or a store is no such case: then Kafka does not answer, or the engine says that it waits. A stuck
process cannot be trusted to stop in order, so it says what each thread was doing and ends at once; nothing unfinished was committed,
and whoever started it starts it again.
"""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable

import structlog

LOG = structlog.get_logger(__name__)
STUCK = 70
"""Exit code of a stuck worker: sysexits' EX_SOFTWARE."""
LOOK_S = 1.0


class Watchdog:
    """Looks now and then whether `progress` changed. clock: seconds.

    progress: any number that changes as work is done. behind: records that wait, by Kafka's own word; None if it does not answer or
    the worker knowingly waits. stuck: told how long nothing was done and how many records wait.
    """

    def __init__(
        self,
        *,
        progress: Callable[[], int],
        behind: Callable[[], int | None],
        patience_s: float,
        stuck: Callable[[float, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._behind, self._patience_s = progress, behind, patience_s
        self._stuck, self._clock = stuck, clock
        self._seen, self._since = progress(), clock()

    def look(self) -> None:
        """Look once."""
        seen, now = self._progress(), self._clock()
        if seen != self._seen:
            self._seen, self._since = seen, now
        elif now - self._since >= self._patience_s:
            waiting = self._behind()
            if waiting:
                self._stuck(now - self._since, waiting)
            self._since = self._clock()

    def start(self) -> threading.Event:
        """Look every second in a thread of its own, until the returned event is set."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(LOOK_S):
                self.look()

        threading.Thread(target=watch, name="watchdog", daemon=True).start()
        return over


def end_at_once(seconds: float, records: int) -> None:
    """Say what every thread is doing and end the process: the last resort."""
    LOG.error("stuck: ending the process", seconds_without_progress=round(seconds), records_waiting=records)
    faulthandler.dump_traceback(sys.__stderr__ or sys.stderr)
    os._exit(STUCK)
