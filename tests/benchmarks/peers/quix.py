"""What does Quix Streams reach? A streaming data frame with its state in RocksDB and a changelog, all as it comes by default.

It needs an older client than ours, so it has an environment of its own: `python -m tests.benchmarks.peers.install quix`.
"""

import os
import sys
import tempfile
from collections import deque
from importlib.util import find_spec
from typing import Any

from tests.benchmarks.peers.asked import NOT_HERE, asked
from tests.benchmarks.peers.size import python_lines

LINES = python_lines(__file__)
AT_LEAST_ONCE = (
    "every record, and state by RocksDB and a changelog at each checkpoint (5 s); what was read after the last checkpoint is read "
    "again, with the state of then"
)


def available() -> str | None:
    """Return why it cannot run here."""
    from tests.benchmarks.peers.environment import QUIX  # its own environment has not what this needs

    return QUIX.missing()


def main() -> None:
    """Score until SIGTERM."""
    import numpy as np
    from quixstreams import Application, State  # type: ignore[import-not-found]  # lives in an environment of its own

    from tests.benchmarks.peers.records import answer, decode, encode
    from tests.benchmarks.peers.trees import Forest
    from tests.benchmarks.work.domain import Courier, features

    job = asked(__doc__)
    forest = Forest(job.model)

    def predict_delay(fact: Any, state: State) -> Any:
        n, ewma, last, window = state.get("courier", (0, 0.0, 0, ()))
        courier = Courier(n, ewma, last, deque(window))
        row = np.array([features(fact, courier)], np.float32)
        state.set("courier", [courier.n, courier.ewma, courier.last, list(courier.window)])
        (delay,) = forest.delays(row)
        return answer(fact, delay, row[0].tolist())

    with tempfile.TemporaryDirectory(prefix="peer-quix-") as state_dir:
        app = Application(
            broker_address=job.brokers,
            consumer_group=job.group,
            auto_offset_reset="earliest",
            state_dir=state_dir,
            loglevel="WARNING",
        )
        jobs = app.topic(job.topic, key_deserializer="str", value_deserializer="bytes")
        answers = app.topic(job.out, key_serializer="str", value_serializer="bytes")
        app.dataframe(jobs).apply(decode).apply(predict_delay, stateful=True).apply(encode).to_topic(answers)
        app.run()


def enter() -> None:
    """Become the same program in its own environment."""
    from infra.errors import Fault
    from tests.benchmarks.peers.environment import QUIX, python

    try:
        program = str(python(QUIX.require()))
    except Fault as fault:
        print(fault, file=sys.stderr)
        sys.exit(NOT_HERE)
    os.execv(program, [program, "-m", "tests.benchmarks.peers.quix", *sys.argv[1:]])


if __name__ == "__main__":
    main() if find_spec("quixstreams") else enter()
