"""How does a person start, stop and look at the servers? `affluent up`, `down` and `status`."""

import json as json_
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import Fault

if TYPE_CHECKING:
    from rich.console import Console

    from infra.settings import Settings
    from infra.stack import Progress, StackState, StackStatus


DOWNLOADING = "downloading"
"""What a server's step is called while its bytes arrive."""


@dataclass(frozen=True, slots=True)
class StackPlaces:
    """Where the stack lives and gets its archives from; None: the platform's convention, the library's default."""

    directory: Path | None
    cache: Path | None
    mirror: str | None


def places(settings: "Settings") -> StackPlaces:
    """Return the settings that concern the stack, as the stack takes them."""

    def folder(text: str) -> Path | None:
        return Path(text).expanduser() if text else None

    return StackPlaces(folder(settings.stack_dir), folder(settings.cache_dir), settings.jar_mirror or None)


def up(*, json: bool = False, port: Sequence[str] = ()) -> int:
    """Start the servers that do not run yet; they stay until `down`. Returns the exit code.

    port: `NAME=NUMBER`, such as `kafka=9092`, for those that must be these. Raises Fault.
    """
    from infra.stack import up as start

    at = _places()
    began = time.monotonic()
    with shown(quiet=json) as progress:
        stack = start(progress, at.directory, at.cache, mirror=at.mirror, fixed=_ports(port), stay=True)
    answer = {**_addresses(stack), "ready_s": round(time.monotonic() - began, 2)}
    if json:
        _say(json_.dumps(answer))
    else:
        _table(f"The servers are ready after {answer.pop('ready_s')} s. Stop them with `affluent down`.", _masked(answer))
    return 0


def down(*, json: bool = False, wipe: bool = False) -> int:
    """Stop the servers; topics and tables stay unless wiped. Returns the exit code. Raises Fault."""
    from infra.stack import down as stop

    stopped = stop(_places().directory, wipe=wipe)
    if json:
        _say(json_.dumps({"stopped": stopped, "wiped": wipe}))
    else:
        what = f"Stopped {', '.join(stopped)}." if stopped else "No server was running."
        _say(what + (" Topics and tables are gone." if wipe else ""))
    return 0


def status(*, json: bool = False) -> int:
    """Say which servers live and how to reach them. Returns 0 if all that are needed do, else 1. Raises Fault."""
    from infra.stack import running
    from infra.stack import status as look

    found = look(_places().directory)
    reached = _addresses(running(found.directory)) if found.whole else {}
    if json:
        servers = [{**asdict(server), "log": str(server.log)} for server in found.servers]
        _say(json_.dumps({"status": found.status, "whole": found.whole, "servers": servers, "addresses": reached}))
    else:
        _table(_summary(found), {server.name: _line(server) for server in found.servers} | _masked(reached))
    return 0 if found.whole else 1


def _summary(found: "StackStatus") -> str:
    if dead := [server.name for server in found.servers if server.needed and not server.alive]:
        if found.status == "running":
            return f"Not alive: {', '.join(dead)}. `affluent up` restarts what is missing."
        return "The servers do not run. Start them with `affluent up`."
    return f"All servers run; state and logs are in {found.directory}." + (
        f" They end with process {found.ends_with}." if found.ends_with else ""
    )


def _line(server: Any) -> str:
    if not server.alive:
        return f"absent: {server.note}" if server.note else f"not running; log {server.log}"
    return f"process {server.pid}, port {', '.join(map(str, server.ports.values()))}"


def _places() -> StackPlaces:
    from infra.settings import read

    return places(read())


def _ports(given: Sequence[str]) -> dict[str, int]:
    found = {}
    for text in given:
        name, _, number = text.partition("=")
        if not number.isdecimal() or not 0 < int(number) < 65_536:
            raise Fault(f"--port {text}: expected NAME=NUMBER with a number from 1 to 65535, such as kafka=9092")
        found[name] = int(number)
    return found


def _addresses(stack: "StackState | None") -> dict[str, Any]:
    return {} if stack is None else {name: value and str(value) for name, value in asdict(stack).items()}


def _masked(addresses: Mapping[str, Any]) -> dict[str, Any]:
    """Return the addresses for people: screens are shared and scrolled back. Programs get them whole, by `--json`."""
    shown = {name: re.sub(r"(?<=:)[^:/@]+(?=@)", "***", value) if value else value for name, value in addresses.items()}
    return shown | ({"passwords": "in `affluent status --json`"} if shown != dict(addresses) else {})


def _say(text: str) -> None:
    import sys

    sys.stdout.write(text + "\n")


def _table(head: str, rows: Mapping[str, object]) -> None:
    wide = max(map(len, rows), default=0)
    _say("\n".join([head, *(f"  {name:<{wide}}  {value if value is not None else 'absent'}" for name, value in rows.items())]))


@contextmanager
def shown(*, quiet: bool = False) -> Iterator["Progress | None"]:
    """Give a listener that shows the start on standard error: bars on a terminal, a line for each server elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet:
        yield None
    elif console.is_terminal:
        with _Bars(console) as bars:
            yield bars
    else:
        yield _Lines(console)


class _Lines:
    """For files and pipes: what a server came to, one line each."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    def fetch(self, server: str, done: int, total: int) -> None:
        """Say nothing: the steps say enough."""

    def step(self, server: str, doing: str) -> None:
        """Say the step."""
        self._console.print(f"{server}: {doing}", highlight=False, markup=False, soft_wrap=True)


class _Bars:
    """For terminals: one row for each server, with a bar while something is downloaded."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
        from rich.text import Text

        class WhileDownloading(ProgressColumn):
            def __init__(self, column: ProgressColumn) -> None:
                super().__init__()
                self._column = column

            def render(self, task: Task) -> Any:
                return self._column.render(task) if task.fields["doing"] == DOWNLOADING else Text()

        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<10}", markup=False),
            TextColumn("{task.fields[doing]}", markup=False),
            WhileDownloading(BarColumn(bar_width=30)),
            WhileDownloading(DownloadColumn()),
            console=console,
        )
        self._rows: dict[str, Any] = {}
        self._adding = threading.Lock()

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def fetch(self, server: str, done: int, total: int) -> None:
        """Move the bar."""
        self._progress.update(self._row(server), completed=done, total=total)

    def step(self, server: str, doing: str) -> None:
        """Change the words; a server that is ready or absent has a full bar."""
        row = self._row(server)
        self._progress.update(row, doing=doing)
        if doing.startswith(("ready", "absent")):
            task = self._progress.tasks[row]
            self._progress.update(row, completed=task.total or 1, total=task.total or 1)

    def _row(self, server: str) -> Any:
        with self._adding:
            if server not in self._rows:
                self._rows[server] = self._progress.add_task(server, total=None, doing="")
            return self._rows[server]
