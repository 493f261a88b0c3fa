"""How is a batch folded? One at a time, in the event loop: taken, processed, judged by the fuse, handed to the open epoch."""

import asyncio
import time
from collections.abc import Callable

import structlog

from infra.errors import Unavailable
from infra.librdkafka import Place
from schemas.columns import Records
from streams.engine.epochs import Partition, next_offset
from streams.engine.fuse import Fuse
from streams.engine.observe import Observer
from streams.engine.processor import Effects

LOG = structlog.get_logger(__name__)
RETRY_S = 1.0


class Folder:
    """Folds what waits in partitions. done: told of records that were taken and will not be folded here."""

    def __init__(self, *, max_batch: int, fuse: Fuse, observer: Observer, done: Callable[[Place, int, int], None]) -> None:
        self._max_batch, self._fuse, self._observer, self._done = max_batch, fuse, observer, done
        self.waits = False

    async def work(self, partition: Partition) -> int:
        """Fold what waits in a partition, up to one batch; return how many records that were.

        Raises what a step, the fuse or a client raised; nothing of the batch is acknowledged then.
        """
        records = None if partition.closed else partition.take(self._max_batch)
        if records is None:
            return 0
        partition.folding = True
        await self._fold(partition, records)
        partition.folding = False
        partition.pass_end()
        return len(records)

    async def _fold(self, partition: Partition, records: Records) -> None:
        while not partition.closed:
            try:
                effects = partition.processor.process(records)
            except Unavailable as away:
                LOG.warning("batch waits", reason=str(away), topic=partition.topic, partition=partition.number)
                self._wait(partition, waits=True)
                await asyncio.sleep(RETRY_S)
                continue
            self._wait(partition, waits=False)
            done = records if effects.done == len(records) else records.slice(0, effects.done)
            self._fuse.judge(partition.processor.agent.name, done, effects)
            began = time.perf_counter()
            partition.fold(done, effects, next_offset(done))
            effects.seconds["produce"] = time.perf_counter() - began
            self._observer.batch(partition, done, effects, time.time())
            if effects.letters:
                _tell_letters(done, effects)
            if effects.done == len(records):
                return
            records = records.slice(effects.done, len(records))
        self._done((partition.topic, partition.number), -1, len(records))

    def _wait(self, partition: Partition, *, waits: bool) -> None:
        self.waits = waits
        self._observer.waiting(partition, waits=waits)


def _tell_letters(records: Records, effects: Effects) -> None:
    """One line a batch: the first letter in full, the others as counts."""
    index, reason, detail = effects.first_letter
    LOG.warning(
        "dead letters", topic=records.topic, partition=records.partition, offset=int(records.offsets[index]),
        key=records.keys[index][:100], reason=reason, detail=detail[:300], counts=effects.letters,
    )  # fmt: skip
