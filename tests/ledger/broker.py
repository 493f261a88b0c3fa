"""How is the broker of a stack struck? By the process that its state file names."""

import os
import signal
import time

from infra.stack import StackState, state, up
from infra.stack.places import Places, default_cache


def _pid(stack: StackState) -> int:
    return state.read(Places(stack.directory, default_cache())).servers["kafka"].pid


def stand_still(stack: StackState, seconds: float) -> None:
    """Stop the broker as it stands, and let it go on."""
    pid = _pid(stack)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def restart(stack: StackState) -> float:
    """Stop the broker politely and start it again at its address; returns how long it was away, seconds."""
    pid, began = _pid(stack), time.monotonic()
    os.kill(pid, signal.SIGTERM)
    while state.read(Places(stack.directory, default_cache())).servers["kafka"].alive:
        time.sleep(0.05)
    again = up(directory=stack.directory, guardian=os.getpid())
    assert again.brokers == stack.brokers
    return time.monotonic() - began
