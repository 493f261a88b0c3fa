"""How does a command answer? As a table for people, or as one JSON object for programs."""

import json as _json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def as_json(answer: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(_json.dumps(answer, ensure_ascii=False, default=str))  # noqa: T201  # what the caller asked for


def as_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print a table on standard output: no text is cut; long ones wrap on a terminal, and not in a pipe or file."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place == 0)
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console = Console()
    Console(width=console.width if console.is_terminal else 240).print(table)


def said(text: str) -> None:
    """Print a line for people on standard output."""
    print(text)  # noqa: T201  # what the caller asked for
