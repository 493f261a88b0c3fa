"""What does Faust reach, used as its documentation shows? A table by courier, one event at a time, one `send` each."""

import tempfile
from collections import deque
from typing import Any

import numpy as np

from tests.benchmarks.peers.asked import asked
from tests.benchmarks.peers.records import answer, decode, encode
from tests.benchmarks.peers.size import python_lines
from tests.benchmarks.peers.trees import Forest
from tests.benchmarks.work.domain import Courier, features
from tests.benchmarks.work.wire import PARTITIONS

LINES = python_lines(__file__)
AT_LEAST_ONCE = (
    "events whose agent did not raise, and the table by its changelog topic, one write an event; an event read again after "
    "a crash is counted twice in the table"
)


def available() -> str | None:
    """Return None: it needs what the project needs."""
    return None


def main() -> None:
    """Score until SIGTERM."""
    import faust
    from faust.serializers.codecs import Codec

    class Avro(Codec):
        def _loads(self, s: bytes) -> Any:
            return decode(s)

        def _dumps(self, s: Any) -> bytes:
            return encode(s)

    job = asked(__doc__)
    forest = Forest(job.model)
    with tempfile.TemporaryDirectory(prefix="peer-faust-") as scratch:
        app = faust.App(
            job.group,
            broker=f"kafka://{job.brokers}",
            topic_partitions=PARTITIONS,
            datadir=scratch,
            web_enabled=False,
        )
        jobs = app.topic(job.topic, key_type=str, value_serializer=Avro())
        answers = app.topic(job.out, key_type=str, value_serializer=Avro())
        couriers = app.Table("couriers", default=lambda: [0, 0.0, 0, []])

        @app.agent(jobs)
        async def predict_delay(stream: Any) -> None:
            async for courier_id, fact in stream.items():
                n, ewma, last, window = couriers[courier_id]
                courier = Courier(n, ewma, last, deque(window))
                row = np.array([features(fact, courier)], np.float32)
                couriers[courier_id] = [courier.n, courier.ewma, courier.last, list(courier.window)]
                (delay,) = forest.delays(row)
                await answers.send(key=courier_id, value=answer(fact, delay, row[0].tolist()))

        faust.Worker(app, loglevel="warning").execute_from_commandline()


if __name__ == "__main__":
    main()
