"""How are servers started, all at once, so that either all that are needed serve or none is left?"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from infra.errors import Fault
from infra.stack import ports, processes
from infra.stack.processes import Identity
from infra.stack.server import Absent, Cancelled, Server, Site, reason
from infra.stack.state import Record

LOOK_S = 0.03
TRIES = 3
OPTIONAL_S = 15.0
"""How much longer than the needed servers one waits for those that are not."""
TAKEN = ("address already in use", "already in use", "bindexception", "could not create any tcp/ip sockets")


@dataclass(slots=True)
class Launch:
    """One start of some servers. save: writes the record to the state file, as often as it changes."""

    site: Site
    record: Record
    servers: Sequence[Server]
    fixed: Mapping[str, int]
    patience_s: float
    save: Callable[[], None]
    began: float = field(default_factory=time.monotonic)
    changing: threading.Lock = field(default_factory=threading.Lock)
    serving: dict[str, threading.Event] = field(default_factory=dict)
    started: dict[str, Identity] = field(default_factory=dict)

    def run(self) -> None:
        """Return when every needed server serves. Raises the first failure, with nothing of this start left."""
        self.serving = {server.name: threading.Event() for server in self.servers}
        pool = ThreadPoolExecutor(len(self.servers), thread_name_prefix="start")
        work = {server: pool.submit(self._one, server) for server in self.servers}
        try:
            waiting = {work[server] for server in self.servers if server.needed}
            while waiting:
                done, waiting = wait(waiting, timeout=0.5, return_when="FIRST_COMPLETED")
                failures = [error for one in done if (error := one.exception())]
                if failures:
                    raise min(failures, key=lambda error: isinstance(error, Cancelled))
            wait(work.values(), timeout=OPTIONAL_S)
        except BaseException:
            self.site.stopping.set()
            self._undo(pool)
            raise
        for server, one in work.items():
            if not one.done():
                self.record.notes[server.name] = "it was not ready in time; the next start tries again"
        self.site.stopping.set()
        pool.shutdown(wait=False, cancel_futures=True)

    def _undo(self, pool: ThreadPoolExecutor) -> None:
        pool.shutdown(wait=True, cancel_futures=True)
        processes.stop(self.started, {server.name: server.stop_signal for server in self.servers})
        for name in self.started:
            self.record.servers.pop(name, None)

    def _one(self, server: Server) -> None:
        try:
            server.obtain(self.site)
            for name in server.after:
                self._wait_for(name)
            for left in reversed(range(TRIES)):
                if self._begin(server, last=not left):
                    break
        except Absent as absent:
            self._absent(server, str(absent))
            return
        except Fault as fault:
            if server.needed:
                raise
            self._absent(server, str(fault))
            return
        self.serving[server.name].set()
        self.site.progress.step(server.name, f"ready after {time.monotonic() - self.began:.1f} s")

    def _wait_for(self, name: str) -> None:
        while name in self.serving and not self.serving[name].wait(LOOK_S):
            self.site.go_on()

    def _begin(self, server: Server, *, last: bool) -> bool:
        """Start a server and wait until it serves; False if another process took its port meanwhile."""
        self.site.go_on()
        command = server.prepare(self.site)
        self.site.progress.step(server.name, "starting")
        log = self.site.places.log(server.name)

        def record(who: Identity) -> None:
            with self.changing:
                self.site.go_on()  # after the end of a failed start nothing may begin
                self.started[server.name] = self.record.servers[server.name] = who
                self.record.notes.pop(server.name, None)
                self.save()

        who = processes.spawn(command, log, record)
        until = time.monotonic() + self.patience_s
        while not server.serves(self.site):
            self.site.go_on()
            if not who.alive:
                if not last and not set(server.ports) & set(self.fixed) and _port_taken(log.read_text(errors="replace")):
                    self._move(server)
                    return False
                raise Fault(f"{server.name} ended at its start: {reason(log.read_text(errors='replace'))}; see {log}")
            if time.monotonic() > until:
                raise Fault(f"{server.name} does not answer after {self.patience_s:.0f} s; see {log}")
            time.sleep(LOOK_S)
        return True

    def _move(self, server: Server) -> None:
        with self.changing:
            self.record.ports.update(ports.choose(server.ports, fixed={}, before={}))

    def _absent(self, server: Server, why: str) -> None:
        with self.changing:
            if left := self.record.servers.pop(server.name, None):
                processes.stop({server.name: left}, {})
            self.record.notes[server.name] = why
        self.site.progress.step(server.name, f"absent: {why}")


def _port_taken(log: str) -> bool:
    return any(sign in log.lower() for sign in TAKEN)
