"""Is what the agents of dispatch emit a function of the log, and of nothing else?"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from infra.kafka import partition_for
from schemas import avro, catalogue
from schemas.columns import Columns, Reader, Records, encode
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS, PREDICTION_SCORED
from schemas.event import Event
from streams.dispatch import TOPOLOGY
from streams.engine import statelog
from streams.engine.processor import Processor
from streams.engine.statelog import Epoch, Recovery
from tests.builders import build
from tests.deliveries import events, small

FACTS = 6_000
IDS = {event: number for number, (_, event) in enumerate(catalogue.subjects().values(), 1)}
SCHEMAS = {number: avro.schema(event) for event, number in IDS.items()}
PREDICT, DRIFT = TOPOLOGY.agents["predict_delay"], TOPOLOGY.agents["detect_drift"]
Outputs = dict[str, list[tuple[bytes | None, bytes | None]]]


@pytest.fixture(scope="module")
def story() -> list[Event]:
    """Real flights with their ticks, and a model that comes into force after a while."""
    sha = small("flights").sha256
    model = build(Control, event_id="m1", series="models", number=1, kind="model", name="dispatch.delay/flights", value=sha)
    told = list(events("flights", FACTS))
    return [*told[:500], model, *told[500:]]


def bundles(sha: str):
    found = small("flights")
    return found if sha == found.sha256 else None


def logs(story: Sequence[Event], partitions: int) -> list[Records]:
    """Lay the facts into partitions by key, and every control record into all of them."""
    rows: list[list[tuple[bytes, bytes | None]]] = [[] for _ in range(partitions)]
    values: dict[int, bytes | None] = {}
    for kind in {type(event) for event in story}:
        mine = [event for event in story if type(event) is kind]
        values.update(zip(map(id, mine), encode(Columns.of(mine), IDS[kind]).raws(), strict=True))
    for event in story:
        key = b"control" if isinstance(event, Control) else event.key.encode()
        for place in range(partitions) if isinstance(event, Control) else [partition_for(key, partitions)]:
            rows[place].append((key, values[id(event)]))
    return [
        Records.of(ASSIGNMENTS.name, p, [(i, 1_700_000_000_000, k, v) for i, (k, v) in enumerate(r)]) for p, r in enumerate(rows)
    ]


def run(records: Records, cuts: Sequence[int] = (), agent=PREDICT) -> tuple[Outputs, Processor]:
    """Return what the agent sends, by class and in order, and the processor as it is left."""
    one = Processor(agent, records.partition, reader=Reader(agent.reads, SCHEMAS.get), schema_ids=IDS, bundles=bundles)
    out: Outputs = defaultdict(list)
    for a, b in pairwise([0, *sorted(cuts), len(records)]):
        if a < b:
            for sent in one.process(records.slice(a, b)).sent:
                out[sent.event.__name__] += zip(sent.keys.raws(), sent.values.raws(), strict=True)
    return out, one


def everything(story: Sequence[Event], partitions: int) -> Outputs:
    """Return what both agents send, sorted by bytes: a key's records keep their own order in `by_key`."""
    out: Outputs = defaultdict(list)
    for records in logs(story, partitions):
        found, _ = run(records)
        scored = found["PredictionScored"]
        again = Records.of(PREDICTION_SCORED.name, records.partition, [(i, 0, k, v) for i, (k, v) in enumerate(scored)])
        found |= run(again, agent=DRIFT)[0]
        for name, rows in found.items():
            out[name] += rows
    return out


def by_key(outputs: Outputs) -> dict[tuple[str, bytes | None], list[bytes | None]]:
    found: dict[tuple[str, bytes | None], list[bytes | None]] = defaultdict(list)
    for name, rows in outputs.items():
        for key, value in rows:
            found[name, key].append(value)
    return found


def test_one_three_and_twelve_partitions_give_identical_outputs_in_identical_order_per_key(story: list[Event]) -> None:
    one, three, twelve = (by_key(everything(story, n)) for n in (1, 3, 12))

    assert one.keys() >= {("DelayPredicted", b"EWR"), ("PredictionScored", b"EWR")}
    assert sum(map(len, one.values())) > FACTS / 2
    assert one == three == twelve


@pytest.mark.parametrize("seed", range(4))
def test_random_cuts_give_identical_bytes_and_state(story: list[Event], seed: int) -> None:
    (records,) = logs(story, 1)
    cuts = np.random.default_rng(seed).integers(0, len(records), [3, 30, 200, 5][seed]).tolist()

    (whole, left), (cut, right) = run(records), run(records, cuts)

    assert whole == cut
    for name, table in left.state.tables.items():
        other = right.state.tables[name].image()
        assert table.image().keys.tobytes() == other.keys.tobytes(), name
        assert table.image().rows.tobytes() == other.rows.tobytes(), name


@pytest.mark.parametrize("share", [0.2, 0.61, 0.97])
def test_state_read_back_from_its_log_goes_on_with_identical_bytes(story: list[Event], share: float) -> None:
    (records,) = logs(story, 1)
    half = int(len(records) * share)
    whole, _ = run(records)
    first, before = run(records.slice(0, half))
    rows = tuple((name, table.take_changes()) for name, table in before.state.tables.items())
    ids = (before.recent.span(0, before.recent.head),)
    state = before.state
    epoch = Epoch(0, half, rows, ids, before.recent.head, state.models, state.numbers, state.refused)

    after = Processor(PREDICT, 0, reader=Reader(ASSIGNMENTS, SCHEMAS.get), schema_ids=IDS, bundles=bundles)
    recovery = Recovery(after.state, after.recent, where="here")
    for offset, raw in enumerate(statelog.write(epoch, writer="w", number=0, limit=50_000)):
        recovery.feed(raw, offset)
    assert recovery.finish() == half
    for sent in after.process(records.slice(half, len(records))).sent:
        first[sent.event.__name__] += zip(sent.keys.raws(), sent.values.raws(), strict=True)

    assert first == whole


def test_facts_told_twice_change_no_output(story: list[Event]) -> None:
    (once,) = logs(story, 1)
    twice = [story[max(i - 40, 0)] if i % 3 == 0 else None for i in range(len(story))]
    (again,) = logs([event for i, each in enumerate(story) for event in (each, twice[i]) if event is not None], 1)

    assert run(once)[0] == run(again)[0]
