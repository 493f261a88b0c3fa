"""A desk that dies: it sends every open letter of an agent again, and kills itself at a point of the transaction."""

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from affluent.letter_plan import Plan, World
from infra.registry import Registry
from infra.settings import Kafka, Settings
from producers.redrive import Dispatcher


@dataclass(frozen=True)
class Orders:
    """What the process is to do. dies_at: begun, sent, noted or committed; empty to live. after: transactions that succeed before."""

    brokers: str
    registry: str
    agent: str
    dies_at: str
    after: int = 0

    def command(self) -> list[str]:
        """Return the command line of the process."""
        return [sys.executable, "-m", "tests.integration.letters_worker", json.dumps(asdict(self))]


def main(orders: Orders) -> None:
    """Send, or die trying."""
    passed = 0

    def passing(point: str) -> None:
        nonlocal passed
        if point == orders.dies_at:
            passed += 1
            if passed > orders.after:
                os.kill(os.getpid(), signal.SIGKILL)

    with World(Settings(kafka=Kafka(brokers=orders.brokers)), Registry(orders.registry)) as world:
        out = Dispatcher(world.settings.kafka, world.registry, by="worker", now=lambda: datetime.now(UTC), passing=passing)
        letters = world.desk.read()
        mine = [each for each in letters.entries.values() if each.cause.agent == orders.agent and letters.state(each) == "open"]
        print(len(out.send(Plan(world, None, None).resends(letters, mine))))


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
