"""How do Faust and the engine meet? A Faust app runs one agent per topic over a channel; the engine feeds and finishes it.

The one item on a channel is the topic to serve: the agent then folds, round by round, what waits in its partitions, and epochs are
closed beside it (an item a batch would cost as much as the batch where little comes). Faust keeps its app, worker, agents, signals
and services; its own consumer and producer are off, because they cost 57 µs an event and acknowledge messages whose agent raised
(see docs/decisions).
"""

from collections.abc import Awaitable, Callable
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


def _serving(engine: Engine) -> Callable[[faust.StreamT[str]], Awaitable[None]]:
    async def serve(stream: faust.StreamT[str]) -> None:
        async for topic in stream:
            await engine.serve(topic)

    return serve


def app_for(topology: Topology, engine: Engine, *, datadir: str) -> faust.App:
    """Return the Faust app: one agent per topic over a channel, and the engine as its service."""
    app = faust.App(
        topology.name, broker="kafka://", autodiscover=False, web_enabled=False, topic_disable_leader=True, topic_allow_declare=False,
        store="memory://", datadir=datadir, table_standby_replicas=0,
    )  # fmt: skip
    app.boot_strategy = Boot(app)
    channels: dict[str, faust.ChannelT[Any]] = {}
    for agent in topology.agents.values():
        channels[agent.reads.name] = channel = app.channel(maxsize=0)
        app.agent(channel, name=agent.name)(_serving(engine))

    class Feed(Service):
        """Lets records flow once the agents are up, and stops before them."""

        async def on_start(self) -> None:
            app.flow_control.resume()
            for topic, channel in channels.items():
                await channel.send(value=topic)
            await self.add_runtime_dependency(engine)

    app.service(Feed)
    return app
