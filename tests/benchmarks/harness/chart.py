"""How does a result look as a picture? Plain SVG, written here: bars of one measure, or lines over a common axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, log10

INK, PALE, OURS, OTHER, GRID = "#1f2933", "#52606d", "#1f6feb", "#9aa5b1", "#e4e7eb"
FONT = "font-family='system-ui, sans-serif'"
WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 760, 24, 12, 150, 190, 64


@dataclass(frozen=True)
class Bar:
    """One bar. note: said beside it. ours: it has our colour."""

    name: str
    value: float
    note: str
    ours: bool = False


@dataclass(frozen=True)
class Line:
    """One line over the places. dashed: it is the worse end of the same thing."""

    name: str
    values: Sequence[float]
    ours: bool = False
    dashed: bool = False


def bars(title: str, subtitle: str, given: Sequence[Bar]) -> str:
    """Return horizontal bars, the longest first, each with its note."""
    given = sorted(given, key=lambda bar: -bar.value)
    longest = max((bar.value for bar in given), default=1.0)
    room = WIDTH - LEFT - RIGHT
    parts = []
    for number, bar in enumerate(given):
        y, width = TOP + number * (BAR + GAP), max(room * bar.value / longest, 1.5)
        parts.append(_text(LEFT - 10, y + 17, bar.name, anchor="end", weight="600" if bar.ours else "400"))
        parts.append(f"<rect x='{LEFT}' y='{y}' width='{width:.1f}' height='{BAR}' rx='3' fill='{OURS if bar.ours else OTHER}'/>")
        parts.append(_text(LEFT + width + 8, y + 17, bar.note, colour=PALE))
    return _svg(TOP + len(given) * (BAR + GAP) + 8, title, subtitle, parts)


def lines(title: str, subtitle: str, names: Sequence[str], series: Sequence[Line], unit: str) -> str:
    """Return a line for each series over places that have names; the value axis begins at 0."""
    height, bottom, left, right = 365, 330, 70, 20
    top = _round_up(max((value for line in series for value in line.values), default=1.0))
    step = (WIDTH - left - right - 60) / max(len(names) - 1, 1)

    def at(place: int, value: float) -> tuple[float, float]:
        return left + 25 + place * step, bottom - (bottom - TOP - 30) * value / top

    parts = []
    for part in range(5):
        _, y = at(0, top * part / 4)
        parts.append(f"<line x1='{left}' x2='{WIDTH - right}' y1='{y:.1f}' y2='{y:.1f}' stroke='{GRID}'/>")
        parts.append(_text(left - 8, y + 4, f"{top * part / 4:g}", anchor="end", colour=PALE))
    for place, name in enumerate(names):
        parts.append(_text(at(place, 0)[0], bottom + 20, name, anchor="middle", colour=PALE))
    for number, line in enumerate(series):
        colour, dash = OURS if line.ours else OTHER, " stroke-dasharray='6 4'" if line.dashed else ""
        points = [at(place, value) for place, value in enumerate(line.values)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2.5'{dash}/>")
        parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.5' fill='{colour}'/>" for x, y in points]
        x, y = left + 20 + number * 150, TOP + 4
        parts.append(f"<line x1='{x}' x2='{x + 24}' y1='{y}' y2='{y}' stroke='{colour}' stroke-width='2.5'{dash}/>")
        parts.append(_text(x + 32, y + 5, line.name))
    parts.append(_text(left - 8, TOP + 9, unit, anchor="end", colour=PALE))
    return _svg(height, title, subtitle, parts)


def _round_up(value: float) -> float:
    """Return a round number that is not smaller.

    >>> _round_up(173.0), _round_up(0.9), _round_up(0.0)
    (200.0, 1.0, 1.0)
    """
    if value <= 0:
        return 1.0
    unit = 10.0 ** (ceil(log10(value)) - 1)
    return next(round(unit * share, 10) for share in (1, 2, 4, 6, 8, 10) if unit * share >= value)


def _text(x: float, y: float, text: str, *, anchor: str = "start", colour: str = INK, size: int = 13, weight: str = "400") -> str:
    look = f"font-size='{size}' font-weight='{weight}' fill='{colour}' text-anchor='{anchor}' {FONT}"
    return f"<text x='{x:.1f}' y='{y:.1f}' {look}>{escape(text)}</text>"


def _svg(height: float, title: str, subtitle: str, parts: Sequence[str]) -> str:
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:.0f}' role='img' aria-label='{escape(title)}'>"
    ground = f"<rect width='{WIDTH}' height='{height:.0f}' fill='#ffffff'/>"
    said = [_text(16, 26, title, size=17, weight="600"), _text(16, 46, subtitle, colour=PALE)]
    return "\n".join([head, ground, *said, *parts, "</svg>", ""])
