"""What do all scenarios share? One stack of their own, for they stop its broker; and the table at the end."""

from collections.abc import Iterator

import pytest

from infra.stack import running_stack
from tests.ledger.ledger import LONG, Ledger
from tests.ledger.table import Line, table

LINES = pytest.StashKey[list[Line]]()


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Ledger]:
    """A stack without topics, and the lines that scenarios leave."""
    folder = tmp_path_factory.mktemp("ledger")
    with running_stack(directory=folder / "stack") as stack:
        made = Ledger(stack, folder)
        pytestconfig.stash[LINES] = made.lines
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the scenarios found."""
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section(f"ledger, {'long' if LONG else 'short'} form", sep="-")
        for line in table(lines):
            terminalreporter.write_line(line)
