"""What does a batch leave behind that may not leave? Nothing: neither in the state that is committed, nor in what follows it."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry

from infra.errors import Fault
from infra.librdkafka import Fetched
from infra.metrics import StreamMetrics
from schemas.columns import Reader, Records
from schemas.dispatch import ASSIGNMENTS
from streams.engine.engine import Engine
from streams.engine.epochs import Partition
from streams.engine.folding import Folder
from streams.engine.options import Clients, Options
from streams.engine.processor import Processor
from streams.engine.statelog import Recovery
from tests.toy import TOY
from tests.unit.streams.test_processor import AGENT, IDS, SCHEMAS, accepted, log

PLACE = (ASSIGNMENTS.name, 0)
GOOD, BAD = 20, 10


class Sent:
    """What was sent, confirmed at once; and the state log."""

    def __init__(self) -> None:
        self.outputs: list[Any] = []
        self.state: list[bytes] = []

    def _receipt(self) -> Any:
        class Receipt:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            offset = len(self.state) - 1

        Receipt.done.set_result(None)
        return Receipt

    def send(self, sent: Sequence[Any]) -> Any:
        """Take outputs."""
        self.outputs += [id_ for each in sent for id_ in each.ids.tolist()]
        return self._receipt()

    def send_raw(self, _topic: str, _partition: int, values: Sequence[bytes]) -> Any:
        """Take state records."""
        self.state += values
        return self._receipt()


def processor() -> Processor:
    return Processor(AGENT, 0, reader=Reader(ASSIGNMENTS, SCHEMAS.get), schema_ids=IDS)


async def engine(start: Processor, reached: int, sent: Sent) -> Engine:
    """Return an engine at work on one partition, as if started and assigned."""
    nobody: Any = None  # is asked
    clients = Clients(nobody, nobody, nobody, SCHEMAS.get, IDS, lambda sha: sha)
    one = Engine(TOY, clients, StreamMetrics(CollectorRegistry()), Options(letters_in_a_row=BAD, max_batch=GOOD))
    one._home = asyncio.get_running_loop()
    source: Any = SimpleNamespace(done=lambda *_: None)
    one._source = source
    one._folder = Folder(max_batch=GOOD, fuse=one._fuse, observer=one._observer, done=lambda *_: None)
    partition = Partition(
        *PLACE, start, sent, sent, "writer", reached, lambda *_: None, lambda *_: None, fuse=one._fuse.memory,  # type: ignore[arg-type]
    )  # fmt: skip
    one._partitions[PLACE], one._locks[PLACE] = partition, asyncio.Lock()
    one._keepers[PLACE] = asyncio.create_task(asyncio.sleep(3600))
    return one


def recovered(sent: Sent) -> tuple[Processor, int]:
    """Return what a new worker would go on with."""
    one = processor()
    reading = Recovery(one.state, one.recent, where="here")
    for offset, raw in enumerate(sent.state):
        reading.feed(raw, offset)
    return one, max(reading.finish(), 0)


def flood() -> Records:
    return log([*(accepted(i) for i in range(GOOD + 5)), *(b"junk" for _ in range(BAD)), *(accepted(i) for i in range(100, 120))])


async def test_good_events_of_a_refused_batch_are_answered_after_the_restart() -> None:
    records, sent = flood(), Sent()
    one = await engine(processor(), 0, sent)
    one._deliver(Fetched(records=[records.slice(0, GOOD)]))
    await one.one_round(ASSIGNMENTS.name)
    one._deliver(Fetched(records=[records.slice(GOOD, GOOD + 5 + BAD)]))
    await one.one_round(ASSIGNMENTS.name)
    assert isinstance(one.failure, Fault)
    await one._release([PLACE], finish=True)

    start, reached = recovered(sent)
    again = await engine(start, reached, sent)
    again._fuse._in_a_row = 1_000
    for first in range(reached, len(records), GOOD):
        again._deliver(Fetched(records=[records.slice(first, min(first + GOOD, len(records)))]))
        await again.one_round(ASSIGNMENTS.name)
    await again._release([PLACE], finish=True)

    assert again.failure is None
    assert len(set(sent.outputs)) == GOOD + 5 + BAD + 20


async def test_what_comes_after_a_refused_batch_waits_for_the_restart() -> None:
    records, sent = flood(), Sent()
    one = await engine(processor(), 0, sent)
    one._deliver(Fetched(records=[records.slice(0, GOOD)]))
    await one.one_round(ASSIGNMENTS.name)
    before = list(sent.outputs)
    one._deliver(Fetched(records=[records.slice(GOOD, GOOD + 5 + BAD)]))
    await one.one_round(ASSIGNMENTS.name)
    one._deliver(Fetched(records=[records.slice(GOOD + 5 + BAD, len(records))]))  # until the source has stopped, more may come
    await one.one_round(ASSIGNMENTS.name)
    await one._release([PLACE], finish=True)

    assert sent.outputs == before
    assert recovered(sent)[1] <= GOOD
