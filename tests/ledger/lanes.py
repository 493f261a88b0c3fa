"""How do scenarios take minutes, not an hour? Several go on side by side: each waits for its group most of the time.

A test that takes the ledger runs in one of a few threads, begun with the first of them, and pytest collects its end when its turn
comes. Those of a module that says ALONE wait until all others are done.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

LANES = 4


def _lone(item: pytest.Function) -> bool:
    return bool(getattr(item.module, "ALONE", False))


class Lanes:
    """The scenarios of a run, by the name of their test."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(LANES, thread_name_prefix="scenario")
        self._running: dict[str, Future[None]] = {}

    def run(self, item: pytest.Function, chosen: Sequence[pytest.Item], **given: Any) -> None:
        """Run a test, the others that may run beside it too; raises what it raises. given: its fixtures."""
        if not self._running:
            for other in chosen:
                if isinstance(other, pytest.Function) and set(given) <= set(other.fixturenames) and not _lone(other):
                    self._running[other.nodeid] = self._pool.submit(other.obj, **given, **_params(other))
        if item.nodeid in self._running:
            self._running[item.nodeid].result()
        else:
            wait(self._running.values())
            item.obj(**given, **_params(item))

    def close(self) -> None:
        """Begin no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _params(item: pytest.Function) -> dict[str, Any]:
    return dict(item.callspec.params) if hasattr(item, "callspec") else {}
