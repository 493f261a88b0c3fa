"""What do the clients and the broker cost alone? Every record goes back out as it came: no work, so the floor of every latency.

Its outputs are the input's bytes, which begin with the same id as an answer does.
"""

from tests.benchmarks.peers import clients
from tests.benchmarks.peers.asked import asked
from tests.benchmarks.peers.clients import Pipe, value
from tests.benchmarks.peers.size import python_lines

LINES = python_lines(__file__, clients.__file__)
AT_LEAST_ONCE = "every record; there is no state"
BATCH = 1_000


def available() -> str | None:
    """Return None: it needs what the project needs."""
    return None


def main() -> None:
    """Echo until SIGTERM."""
    job = asked(__doc__)
    pipe = Pipe(job, forget=lambda: None)
    while pipe.running:
        first = pipe.consumer.poll(0.1)
        messages = [] if first is None else [first, *pipe.consumer.consume(BATCH - 1, 0)]
        for message in messages:
            pipe.producer.produce(job.out, value(message), message.key())
        pipe.producer.poll(0)
        pipe.settle(read=bool(messages))
    pipe.close()


if __name__ == "__main__":
    main()
