"""What do all scenarios share? One stack of their own, for they strike its broker; lanes to run in; and the table at the end."""

from collections.abc import Iterator

import pytest

from infra.stack import running_stack
from tests.ledger.lanes import Lanes
from tests.ledger.ledger import LONG, Ledger
from tests.ledger.table import Line, table

LINES = pytest.StashKey[list[Line]]()
LANES = pytest.StashKey[Lanes]()


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Ledger]:
    """A stack without topics, and the lines that scenarios leave."""
    folder = tmp_path_factory.mktemp("ledger")
    with running_stack(directory=folder / "stack") as stack:
        made, lanes = Ledger(stack, folder), Lanes()
        pytestconfig.stash[LINES], pytestconfig.stash[LANES] = made.lines, lanes
        yield made
        lanes.close()


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run what takes the ledger in its lane."""
    if "ledger" not in pyfuncitem.funcargs:
        return None
    lanes = pyfuncitem.config.stash[LANES]
    lanes.run(pyfuncitem, pyfuncitem.session.items, ledger=pyfuncitem.funcargs["ledger"])
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the scenarios found."""
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section(f"ledger, {'long' if LONG else 'short'} form", sep="-")
        for line in table(lines):
            terminalreporter.write_line(line)
