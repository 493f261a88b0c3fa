"""What does Kafka Streams reach? `DelayScoring.java`: RocksDB with cache and changelog, Avro, ONNX Runtime, a commit a second.

Its archives and its compiled classes come by `python -m tests.benchmarks.peers.install kafka_streams`; the Java is the project's own.
"""

from pathlib import Path

from tests.benchmarks.peers.size import java_lines

SOURCE = Path(__file__).with_name("DelayScoring.java")
LINES = java_lines(SOURCE)
AT_LEAST_ONCE = (
    "every record, and state by RocksDB and a changelog, flushed at each commit (1 s); what was read after the last commit is read "
    "again with the state of then, or, where the cache overflowed in between, counted twice"
)


def available() -> str | None:
    """Return why it cannot run here."""
    from tests.benchmarks.peers.kafka_streams.build import KAFKA_STREAMS

    return KAFKA_STREAMS.missing()
