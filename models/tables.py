"""What does an agent know of one partition? Its tables, the models in force, the control numbers it has obeyed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from models.rows import Image, Table, TableSpec

__all__ = ["Bundles", "Image", "State", "Table", "TableSpec"]

Bundles = Callable[[str], Any]
"""Bundle hash -> the loaded bundle, or None if it may not be used."""


class State:
    """All that one agent knows of one partition: its tables, the models in force, the control numbers obeyed."""

    def __init__(
        self, specs: Iterable[TableSpec], bundles: Bundles = lambda _: None, clock: Callable[[], float] = lambda: 0.0
    ) -> None:
        """bundles: see Bundles. clock: seconds, only to measure stages by."""
        self.tables: dict[str, Table] = {spec.name: Table(spec) for spec in specs}
        self.models: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self._bundles, self._clock = bundles, clock

    def __getitem__(self, spec: TableSpec) -> Table:
        """The table of this spec. Raises KeyError if the agent did not declare it."""
        return self.tables[spec.name]

    def keep(self) -> None:
        """The batch succeeded in every table."""
        for table in self.tables.values():
            table.keep()

    def restore(self) -> None:
        """The batch failed: every table as it was before it."""
        for table in self.tables.values():
            table.restore()

    def swap(self, model: str, sha: str) -> None:
        """Put a bundle in force; one that may not be used leaves the old one and is remembered as refused."""
        if self._bundles(sha) is None:
            self.refused[model] = sha
            self.count("bundle_refused")
        else:
            self.models[model] = sha
            self.refused.pop(model, None)

    def champion(self, model: str) -> Any:
        """Return the bundle in force for a model (`dispatch.delay/flights`), or None before the first is known."""
        sha = self.models.get(model)
        return None if sha is None else self._bundles(sha)

    def count(self, what: str, n: int = 1) -> None:
        """Count something worth a metric (late, unmatched…); not part of the state that is logged."""
        if n:
            self.counts[what] = self.counts.get(what, 0) + int(n)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage of the step (features, score, settle); not part of the state that is logged."""
        began = self._clock()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self._clock() - began

    def take_seconds(self) -> dict[str, float]:
        """Return the seconds of each stage since the last call."""
        seconds, self.seconds = self.seconds, {}
        return seconds

    def take_counts(self) -> Mapping[str, int]:
        """Return what was counted since the last call."""
        counts, self.counts = self.counts, {}
        return counts
