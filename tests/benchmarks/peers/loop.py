"""What does the usual program on confluent-kafka reach? Poll one record, decode, score, produce; commit each second."""

from collections import defaultdict

import numpy as np

from tests.benchmarks.peers import clients
from tests.benchmarks.peers.asked import asked
from tests.benchmarks.peers.clients import Pipe, value
from tests.benchmarks.peers.records import answer, decode, encode
from tests.benchmarks.peers.size import python_lines
from tests.benchmarks.peers.trees import Forest
from tests.benchmarks.work.domain import Courier, features

LINES = python_lines(__file__, clients.__file__)
AT_LEAST_ONCE = "every record, but no state: after a crash or a rebalance couriers are strangers, and features wrong"


def available() -> str | None:
    """Return None: it needs what the project needs."""
    return None


def main() -> None:
    """Score until SIGTERM."""
    job = asked(__doc__)
    forest, couriers = Forest(job.model), defaultdict[str, Courier](Courier)
    pipe = Pipe(job, forget=couriers.clear)
    while pipe.running:
        message = pipe.consumer.poll(0.1)
        if message is not None:
            fact = decode(value(message))
            row = np.array([features(fact, couriers[fact["courier_id"]])], np.float32)
            (delay,) = forest.delays(row)
            pipe.producer.produce(job.out, encode(answer(fact, delay, row[0].tolist())), message.key())
            pipe.producer.poll(0)
        pipe.settle(read=message is not None)
    pipe.close()


if __name__ == "__main__":
    main()
