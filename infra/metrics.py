"""What does a process show of itself, and when should each number worry someone? Every metric is declared here, once.

A process makes one `CollectorRegistry` and hands each part its group of metrics over it. Labels are names of ours (agent, topic,
table, reason), never an id. Parts observe once a batch; a `Spread` then counts every record of it.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)

from infra.errors import Fault
from infra.spread import Spread

WORK_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
"""Work of one batch: a tenth of a millisecond to five seconds."""
LATENCY_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60, 600, 3600)
"""From an event to its effect: milliseconds while we keep up, hours when we catch up."""
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Records of one batch."""


class StreamMetrics:
    """What an agent shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, ("agent", *labels), registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, ("agent", *labels), registry=registry)

        def spread(name: str, text: str, *labels: str, bounds: tuple[float, ...] = WORK_S) -> Spread:
            return Spread(name, text, ("agent", *labels), bounds, registry)

        # Worry when it stands still while the lag grows.
        self.records = counter("affluent_records_total", "Records read.")
        self.batches = counter("affluent_batches_total", "Batches finished.")
        # Worry when the median stays at 1 under load (each batch costs as much as many records), or all are at the limit.
        self.batch_size = spread("affluent_batch_records", "Records of a batch.", bounds=SIZES)
        # Worry about the stages of a batch when their sum comes near the time in which a batch's records arrive.
        self.decode = spread("affluent_decode_seconds", "Wire bytes to columns.")
        # Features: a jump means the tables have outgrown the processor's cache, or a fold was changed.
        self.features = spread("affluent_feature_seconds", "The compiled fold over state.")
        # Score: a jump means another model is in force; see affluent_model_info.
        self.score = spread("affluent_score_seconds", "The model's call.")
        self.settle = spread("affluent_settle_seconds", "Truth joined to open predictions.")
        self.encode = spread("affluent_encode_seconds", "Columns to wire bytes.")
        self.produce = spread("affluent_produce_seconds", "Output handed to the producer; grows when its queue is full.")
        # Worry when the 99th percentile since append passes 150 ms for minutes: we no longer keep up.
        self.latency = spread(
            "affluent_latency_seconds", "Until the output was handed over; since: event or append.", "since", bounds=LATENCY_S
        )
        # Worry when it grows for minutes: add partitions' workers, or look at the stages above.
        self.lag = gauge("affluent_lag_records", "Records appended and not yet read, in the partitions held here.")
        # Worry at any sudden rise: one producer sends what nobody understands, or our own release broke the step.
        self.dead_letters = counter("affluent_dead_letters_total", "Messages set aside.", "reason")
        # A few after a producer's retry are usual; worry when it keeps pace with the records: someone replays.
        self.duplicates = counter("affluent_duplicates_total", "Repeated event ids that were ignored.")
        # Worry at any: a step raised and the batch was run again record by record.
        self.retried = counter("affluent_retried_batches_total", "Batches run again record by record.")
        # Several times the work of other records; worry when it is a share of them that counts: see the log for schema and reason.
        self.slow = counter("affluent_slow_records_total", "Records that fastavro had to read, by class.", "event")
        # What a step counts of its own accord; worry at "drift" that policy did not answer, at "bundle_refused" always.
        self.counted = counter(
            "affluent_counted_total", "What a step counted: drift, late facts, truths without a job, refused bundles.", "what"
        )
        # Worry when workers of one agent show different versions for more than a minute, or none.
        self.model = gauge("affluent_model_info", "1 for the version in force.", "model", "version")
        # An epoch is at least 20 to 50 ms old by design and ends with the state record's confirmation; worry above 1 s: the broker is slow.
        self.epoch = spread("affluent_epoch_seconds", "Age of an epoch when it was committed.")
        # Worry above 10 s: a restart or rebalance silences the partition for that long.
        self.recovery = spread("affluent_recovery_seconds", "From assignment until the tables were read.", bounds=LATENCY_S)
        # Not 0 while a partition comes back; worry when it stands still.
        self.recovery_left = gauge(
            "affluent_recovery_left_records", "Records of the state log still to be read, of one partition."
        )
        # Worry when they grow without an end: keys that are never dropped.
        self.state_rows = gauge("affluent_state_rows", "Rows of a table.", "table", "partition")
        self.state_bytes = gauge("affluent_state_bytes", "Memory of a table.", "table", "partition")
        # Worry when it is not 0 for a minute: a broker or registry is away and batches wait.
        self.waiting = gauge("affluent_unavailable_state", "1 while the agent waits for the world to come back.")


class RelayMetrics:
    """What the relay of control records shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Worry when it stands still for over an hour: ticks are due each hour, and hours without one never close.
        self.records = Counter(
            "affluent_relay_records_total", "Control records copied into facts topics.", ("topic",), registry=registry
        )


class SinkMetrics:
    """What a sink shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Worry when it stands still while the lag grows. Repeated rows are not counted: they change nothing.
        self.rows = Counter("affluent_sink_rows_total", "Rows written.", ("table",), registry=registry)
        # Worry when a write takes longer than its records took to arrive.
        self.write = Spread(
            "affluent_sink_write_seconds", "One transaction, or one pipeline of writes.", ("store",), WORK_S, registry
        )
        # Worry when it grows for minutes: what people read is old.
        self.lag = Gauge("affluent_sink_lag_records", "Records appended and not yet written.", ("topic",), registry=registry)
        # Worry when the 99th percentile since append passes 1 s.
        self.latency = Spread(
            "affluent_sink_latency_seconds",
            "Until the row was readable; since: event or append.",
            ("since",),
            LATENCY_S,
            registry,
        )
        # Worry when it is not 0 for a minute: the store is down and the sink waits.
        self.waiting = Gauge("affluent_sink_unavailable_state", "1 while a store is away.", ("store",), registry=registry)
        # Worry at any: the agent upstream should have set such a message aside.
        self.unreadable = Counter(
            "affluent_sink_unreadable_total", "Records that could not be read.", ("topic", "reason"), registry=registry
        )


class ProducerMetrics:
    """What a producer of facts shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Worry when it stands still while the app has work: nothing is heard of the business.
        self.records = Counter("affluent_produced_records_total", "Events confirmed by Kafka.", ("topic",), registry=registry)


def process_registry() -> CollectorRegistry:
    """Return a registry that already shows memory, processor time, open files and Python's version of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)  # worry when resident memory grows for hours at a steady load
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def serve(registry: CollectorRegistry, port: int = 0, host: str = "127.0.0.1") -> int:
    """Serve `/metrics` from a thread of its own and return the port; 0 takes a free one. Raises Fault if it is taken."""
    try:
        server, _thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise Fault(f"AFFLUENT_METRICS__PORT: cannot listen on {host}:{port} ({error.strerror}); choose another, or 0") from error
    return int(server.server_port)
