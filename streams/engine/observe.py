"""What does a worker show of a batch? Everything is observed once a batch, never once a record."""

import structlog

from infra.metrics import StreamMetrics
from schemas.columns import Records
from streams.engine.epochs import Partition
from streams.engine.processor import Effects, Processor

LOG = structlog.get_logger(__name__)
_STAGES = ("decode", "features", "score", "settle", "encode", "produce")


class Observer:
    """Writes the metrics of one app's agents."""

    def __init__(self, metrics: StreamMetrics) -> None:
        self._metrics = metrics
        self._models: dict[tuple[str, str], str] = {}
        self._shown: dict[str, _Shown] = {}
        self._told: set[tuple[str, int]] = set()

    def recovering(self, processor: Processor, left: int) -> None:
        """A partition is being read back; so many records of its state log are left."""
        self._metrics.recovery_left.labels(processor.agent.name).set(left)

    def recovered(self, processor: Processor, seconds: float) -> None:
        """A partition came back."""
        self._metrics.recovery.labels(processor.agent.name).observe(seconds)
        self.state(processor)

    def epoch(self, partition: Partition, seconds: float) -> None:
        """An epoch was seen through."""
        self._metrics.epoch.labels(partition.processor.agent.name).observe(seconds)

    def state(self, processor: Processor) -> None:
        """Show how large the tables of a partition are, and which models are in force."""
        agent = processor.agent.name
        for name, table in processor.state.tables.items():
            self._metrics.state_rows.labels(agent, name, str(processor.partition)).set(len(table))
            self._metrics.state_bytes.labels(agent, name, str(processor.partition)).set(table.capacity_bytes)
        for model, sha in processor.state.models.items():
            before = self._models.get((agent, model))
            if before != sha:
                if before is not None:
                    self._metrics.model.remove(agent, model, before[:12])
                self._metrics.model.labels(agent, model, sha[:12]).set(1)
                self._models[agent, model] = sha

    def released(self, processor: Processor) -> None:
        """A partition went to somebody else."""
        for name in processor.state.tables:
            self._metrics.state_rows.remove(processor.agent.name, name, str(processor.partition))
            self._metrics.state_bytes.remove(processor.agent.name, name, str(processor.partition))

    def lag(self, agent: str, records: int) -> None:
        """How far behind the log's end an agent is, over the partitions held here."""
        self._metrics.lag.labels(agent).set(records)

    def waiting(self, partition: Partition, *, waits: bool) -> None:
        """The world is away, or back."""
        self._metrics.waiting.labels(partition.processor.agent.name).set(waits)

    def batch(self, partition: Partition, records: Records, effects: Effects, now_s: float) -> None:
        """A batch was folded and its outputs handed over."""
        agent, n = partition.processor.agent.name, len(records)
        shown = self._shown.get(agent) or self._shown.setdefault(agent, _Shown(self._metrics, agent))
        shown.records.inc(n)
        shown.batches.inc()
        shown.batch_size.observe(n)
        for stage, series in shown.stages.items():
            if stage in effects.seconds:
                series.observe(effects.seconds[stage])
        for reason, count in effects.letters.items():
            self._metrics.dead_letters.labels(agent, reason).inc(count)
        if effects.retried:
            self._metrics.retried.labels(agent).inc(effects.retried)
        if effects.duplicates:
            self._metrics.duplicates.labels(agent).inc(effects.duplicates)
        for what, count in partition.processor.state.take_counts().items():
            self._metrics.counted.labels(agent, what).inc(count)
        self._show_slow(partition.processor)
        shown.since_append.observe(now_s - records.appended_at / 1000)
        shown.since_event.observe(now_s - effects.at / 1000)

    def _show_slow(self, processor: Processor) -> None:
        """Count what only fastavro could read; say once per schema why."""
        agent = processor.agent.name
        for slow in processor.reader.take_slow():
            self._metrics.slow.labels(agent, slow.event).inc(slow.records)
            if (agent, slow.schema_id) not in self._told:
                self._told.add((agent, slow.schema_id))
                LOG.warning(
                    "records go through fastavro, slowly", agent=agent, schema=slow.event, id=slow.schema_id, reason=slow.reason
                )


class _Shown:
    """An agent's series that every batch adds to: looking each up by its labels would cost more than counting."""

    def __init__(self, metrics: StreamMetrics, agent: str) -> None:
        self.records, self.batches = metrics.records.labels(agent), metrics.batches.labels(agent)
        self.batch_size = metrics.batch_size.labels(agent)
        self.stages = {stage: getattr(metrics, stage).labels(agent) for stage in _STAGES}
        self.since_append, self.since_event = metrics.latency.labels(agent, "append"), metrics.latency.labels(agent, "event")
