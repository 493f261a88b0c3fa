"""What does Faust reach with its batches? `take(500, within=0.02)`, one call of the forest each; otherwise as `faust_tuned`."""

import tempfile
from collections import defaultdict
from typing import Any

import numpy as np

from tests.benchmarks.peers import faust_tuned
from tests.benchmarks.peers.asked import asked
from tests.benchmarks.peers.faust_tuned import tuned
from tests.benchmarks.peers.records import answer
from tests.benchmarks.peers.size import python_lines
from tests.benchmarks.peers.trees import Forest
from tests.benchmarks.work.domain import Courier, features

LINES = python_lines(__file__, faust_tuned.__file__)
AT_LEAST_ONCE = "batches whose agent did not raise (an error loses a batch and what is buffered behind it), but no state"


def available() -> str | None:
    """Return None: it needs what the project needs."""
    return None


def main() -> None:
    """Score until SIGTERM."""
    job = asked(__doc__)
    forest, couriers = Forest(job.model), defaultdict[str, Courier](Courier)
    with tempfile.TemporaryDirectory(prefix="peer-faust-") as scratch:
        app, worker, jobs, answers = tuned(job, scratch)

        @app.agent(jobs)
        async def predict_delay(stream: Any) -> None:
            async for facts in stream.take(500, within=0.02):
                rows = np.array([features(fact, couriers[fact["courier_id"]]) for fact in facts], np.float32)
                for fact, delay, row in zip(facts, forest.delays(rows), rows.tolist(), strict=True):
                    await answers.send(key=fact["courier_id"], value=answer(fact, delay, row))

        worker.execute_from_commandline()


if __name__ == "__main__":
    main()
