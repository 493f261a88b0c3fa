"""Is all as it should be when facts are of another schema, huge, broken, far too new, or each of a key never seen?"""

import io
import json
import time
import urllib.request

import fastavro

from schemas import avro, catalogue
from schemas.columns import Reader, Records
from schemas.dispatch import AssignmentAccepted, DelayPredicted
from tests.ledger import broker, logs
from tests.ledger.fleet import fleet
from tests.ledger.ledger import LONG, Ledger, eventually
from tests.ledger.oracle import reckoned
from tests.ledger.scene import PARTITIONS, Scene
from tests.ledger.sender import FIRST_AT, Row, courier, depot, distance, rows, sending
from tests.ledger.test_input import put

DAY_MS = 86_400_000
HUGE = 10_000_000


def grown(scene: Scene, numbers: range) -> list[Row]:
    """Return facts written by a release that knows one field more."""
    schema = avro.schema(AssignmentAccepted)
    schema = {**schema, "fields": [*schema["fields"], {"name": "urgency", "type": ["null", "string"], "default": None}]}
    subject = catalogue.subject(AssignmentAccepted.topic, AssignmentAccepted)
    request = urllib.request.Request(
        f"{scene.registry_url}/subjects/{subject}/versions",
        json.dumps({"schema": json.dumps(schema)}).encode(),
        {"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request) as answer:
        schema_id = json.load(answer)["id"]
    old = fastavro.parse_schema(avro.schema(AssignmentAccepted))
    new = fastavro.parse_schema(schema)
    found = []
    for key, value in rows(scene, numbers):
        body = io.BytesIO(value[5:])
        fact = fastavro.schemaless_reader(body, old, None)
        out = io.BytesIO()
        fastavro.schemaless_writer(out, new, {**fact, "urgency": "very"})  # type: ignore[dict-item]  # a record is a dict
        found.append((key, b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()))
    return found


def features(scene: Scene) -> dict[str, tuple[float, float]]:
    """Return the features of every output, by job."""
    found = {}
    schema = avro.schema(DelayPredicted)
    reader = Reader(scene.outputs, lambda _: schema, holds=(DelayPredicted,))
    for partition, told in enumerate(logs.read(scene.brokers, scene.outputs.name, PARTITIONS)):
        raw = [(each.offset, each.appended_at, each.key, each.value) for each in told]
        batch = reader.read(Records.of(scene.outputs.name, partition, raw))
        for event in batch.rows():
            assert isinstance(event, DelayPredicted), event
            found[event.assignment_id] = (event.features[0], event.features[1])
    return found


def test_old_and_new_schemas_huge_and_broken_records_and_a_clock_two_days_ahead(ledger: Ledger) -> None:
    """All in the same partitions at once, a worker killed in between. What is right is reckoned without any code of ours, too."""
    scene, part = ledger.scene(), 4_800
    broker.configure(ledger.stack, scene.facts.name, max_message_bytes=str(2 * HUGE))
    plain = rows(scene, range(part))
    new = grown(scene, range(part, 2 * part))
    ahead = rows(scene, range(2 * part, 3 * part), at=lambda i: FIRST_AT + i + (2 * DAY_MS if i % 5 == 0 else 0))
    broken: list[Row] = [(b"d1", b"{}"), (b"d2", plain[0][1][:40]), (b"d3", b"\0\0\1\xff\xff" + bytes(30))]
    huge = [(key, value[:5] + b"\xff" * HUGE) for key, value in plain[:2]]
    mixed = [row for pair in zip(new, ahead, strict=True) for row in pair]
    with fleet(scene, 2) as workers:
        put(ledger, scene.facts.name, plain)
        eventually(lambda: all(logs.ends(scene.brokers, scene.outputs.name, PARTITIONS)), what="an output in each partition")
        eventually(lambda: logs.holders(scene.brokers, scene.topology.name) == 2, what="that both workers have partitions")
        put(ledger, scene.facts.name, [*mixed[:part], *broken, huge[0]])
        workers.kill(workers.workers[0])
        put(ledger, scene.facts.name, [*mixed[part:], huge[1]])
        verdict = ledger.close("bad input", scene, workers, struck=1, sent=3 * part + len(broken) + len(huge))

    assert verdict.outputs == 3 * part + 5
    assert features(scene) == reckoned_in_order(scene, 3 * part)


def reckoned_in_order(scene: Scene, n: int) -> dict[str, tuple[float, float]]:
    """Return what the features should be: the new and the far ones were sent in turn."""
    third = n // 3
    order = [*range(third), *(i for pair in zip(range(third, 2 * third), range(2 * third, n), strict=True) for i in pair)]
    return reckoned(order, courier, depot, distance)


def test_a_hundred_thousand_new_keys_a_second(ledger: Ledger) -> None:
    scene, n = ledger.scene(), 1_000_000 if LONG else 100_000
    ready = rows(scene, range(n), carried_by=lambda i: f"new-{i}")
    with fleet(scene, 1) as workers:
        with sending(scene, total=0) as sender:
            began = time.monotonic()
            sender.put(ready)
            sender.flush()
            took = time.monotonic() - began
        ledger.close(f"new keys, {n / took / 1000:.0f},000 a second", scene, workers, struck=1, sent=n, patience_s=120)
