"""Does a partition at work leave a state log that gives its state back, however it was trimmed and whoever takes over?"""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from schemas import avro, catalogue
from schemas.columns import Columns, Reader, Records, encode
from schemas.dispatch import ASSIGNMENTS, AssignmentAccepted
from streams.engine import epochs
from streams.engine.epochs import Partition, next_offset
from streams.engine.processor import Processor
from streams.engine.statelog import Recovery
from tests.builders import many
from tests.toy import COURIERS, TOY

IDS = {event: i for i, (_, event) in enumerate(catalogue.subjects().values(), 1)}
SCHEMAS = {i: avro.schema(event) for event, i in IDS.items()}
AGENT = TOY.agents["count_jobs"]


class Receipt:
    def __init__(self, offset: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done.set_result(None)
        self.offset = offset


class Log:
    """A state topic's partition, as an outbox and to be trimmed."""

    def __init__(self) -> None:
        self.records: list[tuple[int, bytes]] = []
        self.end = self.trims = 0

    def send(self, _sent: Any) -> Receipt:
        return Receipt(0)

    def send_raw(self, _topic: str, _partition: int, values: Sequence[bytes]) -> Receipt:
        for value in values:
            self.records.append((self.end, value))
            self.end += 1
        return Receipt(self.end - 1)

    def trim(self, _topic: str, _partition: int, before: int) -> None:
        self.records = [one for one in self.records if one[0] >= before]
        self.trims += 1


def processor() -> Processor:
    return Processor(AGENT, 0, reader=Reader(ASSIGNMENTS, SCHEMAS.get), schema_ids=IDS)


def facts(count: int, seed: int) -> Records:
    couriers = np.random.default_rng(seed).integers(0, 400, count)
    told = many(AssignmentAccepted, count, courier_id=lambda i: f"c{couriers[i]}", depot_id="d", distance_km=1.0)
    values = encode(Columns.of(told), IDS[AssignmentAccepted]).raws()
    return Records.of(ASSIGNMENTS.name, 0, [(i, 0, b"d", value) for i, value in enumerate(values)])


def recovered(log: Log) -> tuple[Processor, int]:
    one = processor()
    reading = Recovery(one.state, one.recent, where="here")
    for offset, raw in log.records:
        reading.feed(raw, offset)
    return one, max(reading.finish(), 0)


def image(one: Processor) -> tuple[bytes, bytes]:
    found = one.state[COURIERS].image()
    return found.keys.tobytes(), found.rows.tobytes()


async def work(log: Log, records: Records, start: Processor, reached: int, stop: int, step: int, writer: str) -> Processor:
    partition = Partition(
        ASSIGNMENTS.name, 0, start, log, log, writer, reached, lambda *_: None, log.trim,  # type: ignore[arg-type]
    )  # fmt: skip

    async def wait(done: Any, _what: str) -> None:
        await done

    for a in range(reached, stop, step):
        batch = records.slice(a, min(a + step, stop))
        partition.fold(batch, partition.processor.process(batch), next_offset(batch))
        await partition.close_epoch(wait)
    return partition.processor


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every sweep cut the log off."""
    monkeypatch.setattr(epochs, "TRIM_RECORDS", 1)
    monkeypatch.setattr(epochs, "ALONE_RECORDS", 3)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("step", [7, 60])
def test_a_trimmed_log_gives_back_what_the_facts_do(step: int) -> None:
    records, log, at = facts(1_500, step), Log(), 0
    for number, stop in enumerate([300, 700, 1_500]):
        one, reached = recovered(log)
        assert reached == at
        one = asyncio.run(work(log, records, one, reached, stop, step, f"w{number}"))
        at = stop
        assert image(recovered(log)[0]) == image(one)
    whole = processor()
    whole.process(records)

    assert image(recovered(log)[0]) == image(whole)
    assert log.trims > 2
    assert log.records[0][0] > 0


@pytest.mark.usefixtures("eager")
def test_a_stopped_worker_that_writes_late_changes_nothing() -> None:
    records, log = facts(1_200, 5), Log()
    asyncio.run(work(log, records, processor(), 0, 200, 20, "zombie"))
    sleeping = recovered(log)[0]
    asyncio.run(work(log, records, *recovered(log), 1_200, 20, "heir"))

    asyncio.run(work(log, records, sleeping, 200, 260, 20, "zombie again"))

    whole = processor()
    whole.process(records)
    one, reached = recovered(log)
    assert (reached, image(one)) == (1_200, image(whole))
    assert one.recent.head == 1_200


def test_who_has_lost_the_partition_cuts_nothing_off_before_it_can_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "TRIM_RECORDS", 1)
    monkeypatch.setattr(epochs, "SWEEP_ROWS", 1_000)
    records, log = facts(2_000, 6), Log()
    asyncio.run(work(log, records, processor(), 0, 200, 20, "first"))
    sleeping = recovered(log)[0]
    asyncio.run(work(log, records, *recovered(log), 1_200, 20, "heir"))
    held = len(log.records)

    asyncio.run(work(log, records, sleeping, 200, 200 + 2 * (epochs.ALONE_RECORDS - 5), 2, "first again"))

    assert (log.trims, len(log.records)) == (0, held + epochs.ALONE_RECORDS - 5)
    assert recovered(log)[1] == 1_200


async def test_an_epoch_is_worth_a_commit_once_it_holds_enough_records_of_its_own() -> None:
    log, one, told = Log(), processor(), facts(2 * epochs.FEW_RECORDS, seed=1)
    partition = Partition(ASSIGNMENTS.name, 0, one, log, log, "w", 0, lambda *_: None, log.trim)  # type: ignore[arg-type]

    def fold(first: int, last: int) -> bool:
        part = told.slice(first, last)
        partition.fold(part, one.process(part), next_offset(part))
        return partition.worthwhile.is_set()

    async def confirmed(done: asyncio.Future[None], _what: str) -> None:
        await done

    assert [fold(0, epochs.FEW_RECORDS - 1), fold(epochs.FEW_RECORDS - 1, epochs.FEW_RECORDS)] == [False, True]
    await partition.close_epoch(confirmed)
    assert [partition.worthwhile.is_set(), fold(epochs.FEW_RECORDS, epochs.FEW_RECORDS + 1)] == [False, False]
