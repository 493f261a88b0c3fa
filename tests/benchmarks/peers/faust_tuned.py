"""What does Faust reach when tuned? State in a dict, uvloop, its compiled loop, producer batches, a large buffer."""

import tempfile
from collections import defaultdict
from typing import Any

import numpy as np

from tests.benchmarks.peers.asked import Job, asked
from tests.benchmarks.peers.records import answer, decode, encode
from tests.benchmarks.peers.size import python_lines
from tests.benchmarks.peers.trees import Forest
from tests.benchmarks.work.domain import Courier, features
from tests.benchmarks.work.wire import PARTITIONS

LINES = python_lines(__file__)
AT_LEAST_ONCE = "events whose agent did not raise, but no state: after a crash or a rebalance couriers are strangers"


def available() -> str | None:
    """Return None: it needs what the project needs."""
    return None


def tuned(job: Job, scratch: str) -> tuple[Any, Any, Any, Any]:
    """Return an app, its worker, and the topics of jobs and answers. scratch: a folder for Faust's own files."""
    import mode.loop

    mode.loop.use("uvloop")  # before Faust is imported
    import faust
    from faust.serializers.codecs import Codec

    class Avro(Codec):
        def _loads(self, s: bytes) -> Any:
            return decode(s)

        def _dumps(self, s: Any) -> bytes:
            return encode(s)

    app = faust.App(
        job.group,
        broker=f"kafka://{job.brokers}",
        topic_partitions=PARTITIONS,
        datadir=scratch,
        web_enabled=False,
        cython_optimizations=True,
        stream_buffer_maxsize=65_536,
        producer_linger=0.005,
        producer_max_batch_size=131_072,
    )
    jobs = app.topic(job.topic, key_type=str, value_serializer=Avro())
    answers = app.topic(job.out, key_type=str, value_serializer=Avro())
    return app, faust.Worker(app, loglevel="warning"), jobs, answers


def main() -> None:
    """Score until SIGTERM."""
    job = asked(__doc__)
    forest, couriers = Forest(job.model), defaultdict[str, Courier](Courier)
    with tempfile.TemporaryDirectory(prefix="peer-faust-") as scratch:
        app, worker, jobs, answers = tuned(job, scratch)

        @app.agent(jobs)
        async def predict_delay(stream: Any) -> None:
            async for courier_id, fact in stream.items():
                row = np.array([features(fact, couriers[courier_id])], np.float32)
                (delay,) = forest.delays(row)
                await answers.send(key=courier_id, value=answer(fact, delay, row[0].tolist()))

        worker.execute_from_commandline()


if __name__ == "__main__":
    main()
