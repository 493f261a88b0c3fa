"""A whole system in a folder of its own: real servers, real processes of ours, started as a person would start them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from affluent.children import Child
from infra.stack import StackState, running_stack

ROOT = Path(__file__).parents[2]


@dataclass
class World:
    """Servers, and how to run commands against them."""

    stack: StackState

    @property
    def environment(self) -> dict[str, str]:
        """What makes a command speak to these servers."""
        return {"AFFLUENT_STACK_DIR": str(self.stack.directory), "AFFLUENT_LOG__LEVEL": "info", "PYTHONPATH": str(ROOT)}

    def run(self, *words: str, code: int = 0) -> str:
        """Run a command to its end and return what it printed; its exit code must be this."""
        done = subprocess.run(
            [sys.executable, "-m", "affluent", *words], env={**os.environ, **self.environment}, capture_output=True, text=True
        )
        assert done.returncode == code, f"affluent {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout if code == 0 else done.stderr

    def ask(self, *words: str) -> Any:
        """Run a command that answers with one JSON object."""
        return json.loads(self.run(*words, "--json").splitlines()[-1])

    @contextmanager
    def processes(self, *names: str) -> Iterator[dict[str, Child]]:
        """Run `affluent NAME dispatch` for each name (`stream`, `stream.2`) until the end; each must then stop cleanly."""
        logs = self.stack.directory / "logs"
        logs.mkdir(exist_ok=True)
        children = {
            n: Child(n, [n.partition(".")[0], "dispatch"], logs / f"e2e-{n}.log", self.environment).start() for n in names
        }
        try:
            yield children
        finally:
            codes = {name: child.stop() for name, child in children.items()}
        assert not any(codes.values()), {name: children[name].last_words() for name, code in codes.items() if code}


def settle(world: World, children: Sequence[Child], patience_s: float = 120.0) -> None:
    """Wait until agents and sink have finished all there is; every child must live meanwhile."""
    import time

    from affluent.watch import Watch
    from infra.settings import Kafka, Settings
    from streams.dispatch import TOPOLOGY

    watch = Watch(Settings(kafka=Kafka(brokers=world.stack.brokers)), TOPOLOGY, sink="consumers-dispatch")
    deadline = time.monotonic() + patience_s
    try:
        while not (now := watch.progress()).at_rest:
            for child in children:
                child.require_alive()
            assert time.monotonic() < deadline, f"not at rest after {patience_s} s: {now}"
            time.sleep(0.2)
    finally:
        watch.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A system with a trained model for restaurant orders in force, and nothing in its logs yet."""
    with running_stack(directory=tmp_path_factory.mktemp("world") / "stack") as stack:
        made = World(stack)
        made.run("topics", "create")
        made.run("train", "dispatch", "delay", "--source", "restaurant")
        made.run("relay", "dispatch", "--until-now")
        yield made
