"""Which ports are free on this machine, and whose is the one that is not?"""

import socket
import time
from collections.abc import Iterable, Mapping

import psutil

from infra.errors import Fault

HOST = "127.0.0.1"
LINGER_S = 3.0


def is_free(port: int) -> bool:
    """Whether a server could listen on a port of the loopback address. Raises Fault if only root may."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise Fault(f"port {port} is kept for root: ask for one above 1023") from error
        except OSError:
            return False
        return True


def _becomes_free(port: int) -> bool:
    """Wait a moment for a port that a server of ours had: one that was killed holds it until its last thread has ended."""
    deadline = time.monotonic() + LINGER_S
    while not (free := is_free(port)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return free


def choose(names: Iterable[str], *, fixed: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return a free port for each name: the one asked for, else the one it had last time, else any.

    Raises Fault if a port that was asked for is taken, or asked for twice.
    """
    for port in fixed.values():
        if list(fixed.values()).count(port) > 1:
            raise Fault(f"port {port} is asked for twice: give each server its own")
    free = {name: port for name, port in before.items() if port not in fixed.values()}
    wanted = {name: fixed.get(name, free.get(name, 0)) for name in names}
    for name, port in wanted.items():
        if port and not (is_free(port) if name in fixed else _becomes_free(port)):
            if name in fixed:
                raise Fault(f"port {port}, asked for {name}, is in use{_by(port)}: free it, or ask for another")
            wanted[name] = 0
    held: list[socket.socket] = []
    taken = {0, *wanted.values()}
    try:
        for name in [name for name, port in wanted.items() if not port]:
            found = 0
            while found in taken:
                held.append(socket.socket())  # all are held until the last is chosen, so no two are the same
                held[-1].bind((HOST, 0))
                found = held[-1].getsockname()[1]
            wanted[name] = found
    finally:
        for holder in held:
            holder.close()
    return wanted


def _by(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass  # not ours to see
    return ""
