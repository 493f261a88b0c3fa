"""Is it seen from outside when records go the slow way, or come late?"""

from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from infra.metrics import StreamMetrics
from schemas import avro
from schemas.columns import Reader, Records
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted, DelayPredicted
from streams.engine.epochs import Partition
from streams.engine.observe import Observer
from streams.engine.processor import Processor
from tests.builders import many
from tests.toy import TOY
from tests.unit.schemas.oracle import framed, write

USUAL = avro.schema(AssignmentAccepted)
STRANGE = USUAL | {"fields": [*USUAL["fields"], {"name": "tags", "type": {"type": "map", "values": "string"}}]}


def records(schema_id: int, n: int = 3) -> Records:
    """Acceptances by a writer of this schema."""
    rows = []
    for offset, event in enumerate(many(AssignmentAccepted, n, depot_id="d")):
        said = event.model_dump() | {name: int(getattr(event, name).timestamp() * 1000) for name in ("at", "promised_at")}
        raw = write({1: USUAL, 2: STRANGE}[schema_id], said | {"tags": {"a": "b"}})
        rows.append((offset, 1, b"d", framed(raw, schema_id)))
    return Records.of(ASSIGNMENTS.name, 0, rows)


def test_what_fastavro_must_read_is_counted_each_time_and_explained_once() -> None:
    agent, registry = TOY.agents["count_jobs"], CollectorRegistry()
    reader = Reader(ASSIGNMENTS, {1: USUAL, 2: STRANGE}.get)
    processor = Processor(agent, 0, reader=reader, schema_ids={DelayPredicted: 9})
    observer, partition = Observer(StreamMetrics(registry)), cast("Partition", SimpleNamespace(processor=processor))

    with capture_logs() as lines:
        for schema_id in (1, 2, 2):
            told = records(schema_id)
            observer.batch(partition, told, processor.process(told), 2.0)

    def counted(name: str, **labels: Any) -> float | None:
        return registry.get_sample_value(name, {"agent": "count_jobs", **labels})

    assert counted("affluent_slow_records_total", event="AssignmentAccepted") == 6
    assert counted("affluent_duplicates_total") == 6
    (line,) = lines
    assert (line["log_level"], line["agent"], line["schema"], line["id"]) == ("warning", "count_jobs", "AssignmentAccepted", 2)
    assert "tags" in line["reason"]
