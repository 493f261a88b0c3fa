"""How do Faust and the engine meet? A Faust app runs one agent per topic over a channel; the engine feeds and finishes it.

An item on the channel is a partition with records waiting. The agent takes all that wait, folds them in one go and moves on; epochs
are closed beside it. Faust keeps its app, worker, agents, signals and services; its own consumer and producer are off, because
they cost 57 µs an event and acknowledge messages whose agent raised (see docs/decisions).
"""

from typing import Any

import faust
from faust.app.base import BootStrategy
from mode import Service

from streams.engine.engine import Engine
from streams.engine.topology import Topology


class Boot(BootStrategy):
    """Start agents and services; Kafka is ours."""

    enable_kafka = False
    enable_web = False
    enable_sensors = False


def app_for(topology: Topology, engine: Engine, *, datadir: str) -> faust.App:
    """Return the Faust app: one agent per topic over a channel, and the engine as its service."""
    app = faust.App(
        topology.name, broker="kafka://", autodiscover=False, web_enabled=False, topic_disable_leader=True, topic_allow_declare=False,
        store="memory://", datadir=datadir, table_standby_replicas=0,
    )  # fmt: skip
    app.boot_strategy = Boot(app)
    for agent in topology.agents.values():
        engine.channels[agent.reads.name] = channel = app.channel(maxsize=0)

        async def run(stream: faust.StreamT[Any]) -> None:
            async for partition in stream:
                await engine.work(partition)

        app.agent(channel, name=agent.name)(run)

    class Feed(Service):
        """Lets records flow once the agents are up, and stops before them."""

        async def on_start(self) -> None:
            app.flow_control.resume()
            await self.add_runtime_dependency(engine)

    app.service(Feed)
    return app
