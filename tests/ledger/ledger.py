"""How does a scenario go? New topics, workers, a sender; then wait until all is done, and let the judge speak."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from infra.kafka import ensure_topics
from infra.settings import Kafka
from infra.stack import StackState
from tests.ledger import logs
from tests.ledger.fleet import Fleet
from tests.ledger.judge import Found, Verdict, judge
from tests.ledger.oracle import expect, remembered
from tests.ledger.scene import PARTITIONS, Scene
from tests.ledger.table import Line

LONG = bool(os.environ.get("LEDGER_LONG"))
"""The long form: many more faults. `make faults` sets it."""


@dataclass
class Ledger:
    """The scenarios of one run on one stack."""

    stack: StackState
    folder: Path
    lines: list[Line] = field(default_factory=list)
    _began: dict[str, float] = field(default_factory=dict)

    def scene(self, **options: object) -> Scene:
        """Return a new scene, its topics made."""
        name = uuid4().hex[:8]
        self._began[name] = time.monotonic()
        folder = self.folder / name
        folder.mkdir()
        scene = Scene(name, self.stack.brokers, self.stack.registry_url, str(folder), options=dict(options))
        ensure_topics(
            Kafka(brokers=scene.brokers),
            [scene.facts, scene.outputs, scene.letters, scene.agent.state_topic],
            partitions=PARTITIONS,
        )
        return scene

    def settle(self, scene: Scene, fleet: Fleet, patience_s: float = 60.0) -> list[int]:
        """Wait until the group has no lag; returns the lags, which are not 0 if patience ran out. Workers must live meanwhile."""
        deadline = time.monotonic() + patience_s
        while any(found := logs.lags(scene.brokers, scene.topology.name, scene.facts.name, PARTITIONS)):
            fleet.require_alive()
            if time.monotonic() > deadline:
                break
            time.sleep(0.25)
        return found

    def verdict(self, scene: Scene, lags: Sequence[int] = ()) -> Verdict:
        """Judge what the scene left behind. lags: as the group had them at the end."""
        expected = expect(scene)
        memory, reached = remembered(scene)
        return judge(
            expected,
            Found(
                outputs=logs.read(scene.brokers, scene.outputs.name, PARTITIONS),
                letters=[one for each in logs.read(scene.brokers, scene.letters.name, 1) for one in each],
                memory=memory,
                reached=reached,
                lags=list(lags),
            ),
        )

    def close(self, scenario: str, scene: Scene, fleet: Fleet, *, struck: int, sent: int, patience_s: float = 60.0) -> Verdict:
        """Wait until all is done, stop the workers and note the line."""
        lags = self.settle(scene, fleet, patience_s)
        fleet.require_alive()
        for worker in list(fleet.workers):
            fleet.stop(worker)
        return self.note(scenario, scene, struck=struck, sent=sent, lags=lags, stops_s=fleet.stops)

    def note(
        self, scenario: str, scene: Scene, *, struck: int, sent: int, lags: Sequence[int] = (), stops_s: Sequence[float] = ()
    ) -> Verdict:
        """Judge and note the line. Fails unless all is sound and every fact had its output."""
        verdict = self.verdict(scene, lags)
        took_s = time.monotonic() - self._began[scene.name]
        self.lines.append(Line(scenario, struck, verdict, took_s, tuple(stops_s)))
        assert verdict.sound, f"{scenario}: {verdict}"
        assert verdict.outputs == sent, f"{scenario}: {sent} facts were sent, {verdict.outputs} outputs came"
        return verdict


def eventually(true: Callable[[], bool], patience_s: float = 60.0, what: str = "it") -> None:
    """Return as soon as something is true; fail if it never is."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen within {patience_s:g} s"
        time.sleep(0.1)


def flowing(scene: Scene, fleet: Fleet, patience_s: float = 60.0) -> None:
    """Return as soon as every partition has new outputs."""
    before = logs.ends(scene.brokers, scene.outputs.name, PARTITIONS)

    def grown() -> bool:
        fleet.require_alive()
        now = logs.ends(scene.brokers, scene.outputs.name, PARTITIONS)
        return all(b > a for a, b in zip(before, now, strict=True))

    eventually(grown, patience_s, f"an output in each partition of {scene.name}")


def shared(scene: Scene, fleet: Fleet, patience_s: float = 60.0) -> None:
    """Return as soon as as many members hold partitions as there are workers, and every partition has new outputs."""

    def all_hold() -> bool:
        fleet.require_alive()
        return logs.holders(scene.brokers, scene.topology.name) >= len(fleet.workers)

    eventually(all_hold, patience_s, f"that each of {len(fleet.workers)} workers has partitions")
    flowing(scene, fleet, patience_s)
