"""What does a careful program on confluent-kafka reach? What has arrived is one batch, with one call of the forest; no waiting."""

from collections import defaultdict

import numpy as np

from tests.benchmarks.peers import clients
from tests.benchmarks.peers.asked import asked
from tests.benchmarks.peers.clients import Pipe, value
from tests.benchmarks.peers.records import answer, decode, encode
from tests.benchmarks.peers.size import python_lines
from tests.benchmarks.peers.trees import Forest
from tests.benchmarks.work.domain import FEATURES, Courier, features

LINES = python_lines(__file__, clients.__file__)
AT_LEAST_ONCE = "every record, but no state: after a crash or a rebalance couriers are strangers, and features wrong"
BATCH = 1_000


def available() -> str | None:
    """Return None: it needs what the project needs."""
    return None


def main() -> None:
    """Score until SIGTERM."""
    job = asked(__doc__)
    forest, couriers = Forest(job.model), defaultdict[str, Courier](Courier)
    pipe = Pipe(job, forget=couriers.clear)
    rows, produce = np.empty((BATCH, FEATURES), np.float32), pipe.producer.produce
    while pipe.running:
        first = pipe.consumer.poll(0.1)
        # Not `consume(BATCH, seconds)`, which waits until they are there or the time is over.
        messages = [] if first is None else [first, *pipe.consumer.consume(BATCH - 1, 0)]
        if messages:
            facts = [decode(value(message)) for message in messages]
            for i, fact in enumerate(facts):
                rows[i] = features(fact, couriers[fact["courier_id"]])
            seen = rows[: len(facts)]
            for message, fact, delay, row in zip(messages, facts, forest.delays(seen), seen.tolist(), strict=True):
                produce(job.out, encode(answer(fact, delay, row)), message.key())
            pipe.producer.poll(0)
        pipe.settle(read=bool(messages))
    pipe.close()


if __name__ == "__main__":
    main()
