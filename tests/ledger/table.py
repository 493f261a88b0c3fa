"""What did the scenarios find? One line each, printed at the end of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.ledger.judge import Verdict, middle

HEAD = ("scenario", "records", "faults", "missing", "wrong", "repeated", "silence s, median / max", "lag", "stop s", "took s")


@dataclass(frozen=True)
class Line:
    """One scenario. struck: how many faults were injected. stops_s: how long each polite stop took. took_s: the whole scenario."""

    scenario: str
    struck: int
    verdict: Verdict
    took_s: float
    stops_s: tuple[float, ...] = ()

    def cells(self) -> tuple[str, ...]:
        """Return it as text."""
        v = self.verdict
        silence = f"{middle(v.silences_s):.1f} / {max(v.silences_s, default=0.0):.1f}"
        stop = f"{max(self.stops_s):.1f}" if self.stops_s else "-"
        wrong = v.wrong + v.strange + v.astray + v.memory
        return (
            self.scenario,
            *map(str, (v.records, self.struck, v.missing, wrong, v.repeated)),
            silence,
            str(v.lag),
            stop,
            f"{self.took_s:.0f}",
        )


def table(lines: Sequence[Line]) -> list[str]:
    """Return the lines of the table.

    >>> print(*table([Line("nothing happens", 0, Verdict(records=3), 1.5)]), sep="\\n")
    scenario         records  faults  missing  wrong  repeated  silence s, median / max  lag  stop s  took s
    nothing happens        3       0        0      0         0                0.0 / 0.0    0       -       2
    """
    rows = [HEAD, *(line.cells() for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    return [
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
