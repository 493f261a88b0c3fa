"""What does a person see while the demo runs, and at its end? Lines that move, then a page that says what happened."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from affluent.demo import Told
    from affluent.watch import Progress


class Screen:
    """The steps of a run, one line each. quiet: show nothing."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._steps: dict[str, tuple[str, str]] = {}
        self._live = Live(console=self._console, refresh_per_second=8, transient=False)

    def __enter__(self) -> Self:
        """Begin to show."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop moving; what was shown stays."""
        self._live.stop()

    def step(self, name: str, text: str) -> None:
        """Say what is being done."""
        self._steps[name] = (text, "")
        self._draw()

    def done(self, name: str, result: str) -> None:
        """Say what came of it."""
        self._steps[name] = (self._steps[name][0], result)
        self._draw()

    def note(self, text: str) -> None:
        """Say something beside the steps."""
        self._console.print(text, style="yellow", highlight=False)

    def flow(self, sent: int, now: "Progress") -> None:
        """Show how far the events have come."""
        text = f"{sent:,} sent, {now.predicted:,} predicted, {now.scored:,} met their truth"
        rest = "all at rest" if now.at_rest else f"{now.stream_behind:,} before the stream, {now.sink_behind:,} before the sink"
        self._steps["flow"] = ("Streaming deliveries", f"{text}; {rest}")
        self._draw(busy="flow" if not now.at_rest else None)

    def stack_progress(self) -> "_Downloads":
        """Return what the stack tells its downloads to."""
        return _Downloads(self)

    def _draw(self, busy: str | None = None) -> None:
        lines: list[Any] = []
        for name, (text, result) in self._steps.items():
            if result and name != busy:
                lines.append(Text.assemble(("✓ ", "green"), f"{text}: ", (result, "bold")))
            else:
                lines.append(Spinner("dots", Text.assemble(text, f": {result}" if result else "")))
        self._live.update(Group(*lines))

    def tell(self, told: "Told", problems: list[str], directory: Path, *, kept: bool) -> None:
        """Print what happened, what it means, and where to look."""
        from affluent.demo import DOMAIN, summary

        out = Console()
        found = summary(told)["domains"][DOMAIN]
        out.print()
        table = Table(box=box.SIMPLE_HEAD, title=f"What happened in {DOMAIN}", title_justify="left", show_header=False)
        late = found["latency_ms"]
        rows = [
            (
                "facts sent, all in Postgres",
                f"{found['events']:,}",
                f"{found['events_per_s']:,} a second, start and end included",
            ),
            ("predictions, each made once", f"{found['predictions']:,}", f"{found['persisted']:,} in Postgres"),
            ("met their truth", f"{found['scored']:,}", "the delivery was completed, the error is known"),
            ("fact to prediction", f"p50 {late['p50']} ms", f"p99 {late['p99']} ms, by the broker's clock"),
            ("dead letters", f"{found['dead_letters']:,}", "messages nobody could use, kept with their reason"),
            ("drifts found", f"{found['drifts']:,}", "depots where the errors changed their level"),
            ("recomputed from the log", f"{found['verify']['compared']:,}", f"{found['verify']['mismatches']:,} mismatches"),
        ]
        for row in rows:
            table.add_row(*row)
        out.print(table)
        out.print(_quality(told))
        if problems:
            out.print(Text("This went wrong:", style="bold red"))
            for problem in problems:
                out.print(f"  {problem}", highlight=False)
        else:
            out.print(
                Text("Nothing was lost, nothing was counted twice, and the log gives the same answers again.", style="green")
            )
        _where_to_look(out, told, directory, kept=kept)


def _quality(told: "Told") -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="How good, on events later than any a model learned from", title_justify="left")
    for name in ("source", "judged", "model, MAE min", "simple rule, MAE min", "gain", "80 % interval held"):
        table.add_column(name, justify="left" if name == "source" else "right")
    for source, q in told.quality.items():
        if not q["scored"] or math.isnan(q["model"]):
            table.add_row(source, "0", "-", "-", "-", "-")
            continue
        gain = f"{(1 - q['model'] / q['baseline']) * 100:.0f} %"
        table.add_row(
            source, f"{q['scored']:,}", f"{q['model']:.2f}", f"{q['baseline']:.2f}", gain, f"{q['covered'] * 100:.1f} %"
        )
    return table


def _where_to_look(out: Console, told: "Told", directory: Path, *, kept: bool) -> None:
    if kept:
        out.print(f"\nThe servers still run. In a shell with AFFLUENT_STACK_DIR={directory}", highlight=False)
        out.print(f"  affluent trace {told.example or 'ID'}    one delivery, from acceptance to error", highlight=False)
        out.print("  affluent status              addresses of Kafka, Postgres, Prometheus", highlight=False)
        out.print("  affluent down                stop them", highlight=False)
    else:
        out.print(
            "\nEverything is stopped. `affluent demo --keep` leaves the servers running, so that you can look around.",
            highlight=False,
        )
    median = np.median(told.latency_ms) if told.latency_ms else float("nan")
    out.print(
        f"Read on: README.md; docs/topology.md shows where each topic goes (median latency here: {median:.0f} ms).",
        highlight=False,
    )


class _Downloads:
    """Shows what the stack's start is busy with."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._fetched: dict[str, tuple[int, int]] = {}

    def fetch(self, server: str, done: int, total: int) -> None:
        """Bytes that came."""
        self._fetched[server] = (done, total)
        have, want = (sum(pair[i] for pair in self._fetched.values()) / 1e6 for i in (0, 1))
        self._screen.step("servers", f"Fetching the servers (first run only): {have:.0f} of {want:.0f} MB")

    def step(self, server: str, doing: str) -> None:
        """What a server is at."""
        self._screen.step("servers", f"Starting the servers: {server} {doing}")
