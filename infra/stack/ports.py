"""Which ports are free on this machine, and whose is the one that is not?"""

import socket
from collections.abc import Iterable, Mapping

import psutil

from infra.errors import Fault

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on a port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def is_open(port: int) -> bool:
    """Whether a server accepts connections on a port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def choose(names: Iterable[str], *, fixed: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return a free port for each name: the one asked for, else the one it had last time, else any.

    Raises Fault if a port that was asked for is taken.
    """
    wanted = {name: fixed.get(name, before.get(name, 0)) for name in names}
    for name, port in wanted.items():
        if port and not is_free(port):
            if name in fixed:
                raise Fault(f"port {port}, asked for {name}, is in use{_by(port)}: free it, or ask for another")
            wanted[name] = 0
    held: list[socket.socket] = []
    taken = set(wanted.values())
    try:
        for name, port in wanted.items():
            while not wanted[name]:
                holder = socket.socket()
                held.append(holder)  # all are held until the last is chosen, so no two are the same
                holder.bind((HOST, port))
                if (found := holder.getsockname()[1]) not in taken:
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
