"""What process do tests kill? A sink of topics of their own: `python -m tests.integration.sink_worker '{"brokers": …}'`."""

import json
import sys
import time
from dataclasses import asdict, dataclass

from prometheus_client import CollectorRegistry

from affluent.sink import run, told_to_stop
from consumers.dispatch import DELAY
from consumers.history import History
from consumers.latest import Latest
from consumers.sink import SETTINGS, Loop, Sink
from infra import kafka
from infra.logs import configure
from infra.metrics import SinkMetrics
from infra.settings import Kafka, Log
from schemas.dispatch import AssignmentAccepted, DelayPredicted, DeliveryCompleted
from schemas.event import Topic
from tests.integration.sink_scene import schema


@dataclass(frozen=True)
class Orders:
    """What the process is to do. sink: the name its offsets are kept under; group: its group in Kafka; redis: "" for no latest."""

    brokers: str
    dsn: str
    redis: str
    facts: str
    predictions: str
    sink: str
    group: str
    drain: bool = False

    def command(self) -> list[str]:
        """Return the command line of the process."""
        return [sys.executable, "-m", "tests.integration.sink_worker", json.dumps(asdict(self))]

    @property
    def topics(self) -> tuple[Topic, Topic]:
        """The topics: facts and predictions."""
        return (
            Topic(self.facts, key="depot_id", partitions=4, retention=None, facts=True),
            Topic(self.predictions, key="depot_id", partitions=4),
        )


def main(orders: Orders) -> None:
    """Run until told to stop."""
    configure(Log())
    stop, metrics = told_to_stop(), SinkMetrics(CollectorRegistry())
    facts, predictions = orders.topics
    history = History(orders.dsn, sink=orders.sink, metrics=metrics, now=time.time)
    sentences = [
        Sink(reads=facts, into=history, holds=(AssignmentAccepted, DeliveryCompleted)),
        Sink(reads=predictions, into=history, holds=(DelayPredicted,)),
    ]
    stores = [sentences]
    if orders.redis:
        latest = Latest(orders.redis, DELAY, metrics=metrics, now=time.time)
        stores.append([Sink(reads=predictions, into=latest, holds=(DelayPredicted,))])
    loops = []
    for number, mine in enumerate(stores):
        settings = SETTINGS | ({"enable.partition.eof": True} if orders.drain else {})
        consumer = kafka.consumer(Kafka(brokers=orders.brokers), group=f"{orders.group}-{number}", **settings)
        loops.append(Loop(mine, consumer=consumer, schemas=schema, metrics=metrics, stop=stop, drain=orders.drain))
    run(loops, stop)


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
