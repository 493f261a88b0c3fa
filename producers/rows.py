"""How is a CSV file of somebody else's read? Plain or gzip, by its header, each bad cell named by file, line and column."""

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from infra.errors import Fault

_MISSING = ("", "NA")


@dataclass(frozen=True, slots=True)
class Row:
    """One line, by column name."""

    file: Path
    line: int
    columns: dict[str, int]
    cells: list[str]

    def text(self, column: str) -> str:
        """Return a cell that must be there. Raises Fault."""
        found = self.cells[self.columns[column]]
        if found in _MISSING:
            raise self.fault(column, "a value", found)
        return found

    def number(self, column: str) -> float:
        """Return a cell that must be a number. Raises Fault."""
        found = self.number_or_none(column)
        if found is None:
            raise self.fault(column, "a number", self.cells[self.columns[column]])
        return found

    def number_or_none(self, column: str) -> float | None:
        """Return a cell as a number, None where it is empty or `NA`. Raises Fault if it is neither."""
        found = self.cells[self.columns[column]]
        if found in _MISSING:
            return None
        try:
            return float(found)
        except ValueError:
            raise self.fault(column, "a number", found) from None

    def fault(self, column: str, expected: str, found: str) -> Fault:
        """Return the error that names this cell."""
        return Fault(f"{self.file}: line {self.line}, column {column}: expected {expected}, found {found!r}")


def read(file: Path) -> tuple[tuple[str, ...], Iterator[Row]]:
    """Return the header of a CSV file and its rows, read as they are asked for. Raises Fault if the file is unusable."""
    rows = _rows(file)
    header = next(rows)
    return tuple(header.cells), rows


def needs(file: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    """Raise Fault if a column is missing."""
    missing = [column for column in columns if column not in header]
    if missing:
        raise Fault(f"{file}: expected columns {', '.join(missing)}, found {', '.join(header) or 'none'}")


def _rows(file: Path) -> Iterator[Row]:
    """Yield the header, then every row."""
    try:
        with file.open("rb") as raw:
            start = raw.peek(2)[:2]
            stream = gzip.GzipFile(fileobj=raw) if start == b"\x1f\x8b" else raw
            reader = csv.reader(io.TextIOWrapper(stream, encoding="utf-8", newline=""))
            header = next(reader, [])
            columns = {name: i for i, name in enumerate(header)}
            yield Row(file, 1, columns, header)
            for cells in reader:
                row = Row(file, reader.line_num, columns, cells)
                if len(cells) != len(header):
                    raise Fault(f"{file}: line {row.line}: expected {len(header)} cells, found {len(cells)}")
                yield row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise Fault(f"{file}: expected a readable CSV file, plain or gzip: {error}") from None


def zone(name: str) -> ZoneInfo:
    """Return an IANA time zone. Raises Fault if this machine has no time zone data."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        raise Fault(f"no time zone {name} on this machine: install tzdata, the system's or Python's") from None
