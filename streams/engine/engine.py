"""What keeps the partitions of a worker going? It takes them over, queues their records, folds them, and sees epochs through.

Three threads meet here: the source's (assignment, records), the outbox's (delivery reports) and the event loop, where all folding
and all bookkeeping happens; the others only hand work to the loop and wait.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar
from uuid import uuid4

import structlog
from confluent_kafka import KafkaException
from mode import Service

from infra.errors import Fault, Unavailable
from infra.kafka import patiently
from infra.librdkafka import Fetched, Place
from infra.metrics import StreamMetrics
from schemas.columns import Reader
from streams.engine.epochs import Partition
from streams.engine.folding import RETRY_S, Folder
from streams.engine.fuse import Fuse
from streams.engine.observe import Observer
from streams.engine.options import USUAL, Clients, Options
from streams.engine.outbox import Outbox
from streams.engine.processor import Processor
from streams.engine.recovery import recover
from streams.engine.source import Source
from streams.engine.topology import Agent, Topology
from streams.engine.watchdog import Watchdog, end_at_once

LOG = structlog.get_logger(__name__)
FINISH_S = 5.0
ANSWER_S, TELL_S = 5.0, 1.0
SMALL_BATCH, REST_SHARE, REST_S = 500, 0.5, 0.01
QUIET = 19
"""So many times longer an epoch waits that is not worth a commit yet."""
T = TypeVar("T")


class Engine(Service):
    """Feeds the agents of one topology and sees their effects through."""

    def __init__(self, topology: Topology, clients: Clients, metrics: StreamMetrics, options: Options = USUAL) -> None:
        super().__init__()
        self.topology, self.clients, self.options = topology, clients, options
        self.failure: BaseException | None = None
        self.on_failure: Callable[[], None] = lambda: None
        self.on_stuck: Callable[[float, int], None] = end_at_once
        self._observer = Observer(metrics)
        self._agents = {agent.reads.name: agent for agent in topology.agents.values()}
        self._partitions: dict[Place, Partition] = {}
        self._keepers: dict[Place, asyncio.Task[None]] = {}
        self._locks: dict[Place, asyncio.Lock] = {}
        self._fuse = Fuse(options.letters_in_a_row, share=options.letters_share, window=options.letters_window)
        self._read_back, self._recovery_waits = 0, False
        self._ready: dict[str, deque[Partition]] = {topic: deque() for topic in self._agents}
        self._bells = {topic: asyncio.Event() for topic in self._agents}
        self._writer = uuid4().hex[:12]

    async def on_start(self) -> None:
        """Join the group."""
        self._home = asyncio.get_running_loop()
        self._outbox = Outbox(self.clients.producer(), loop=self._home, on_death=self.failed_here)
        self._state_outbox = Outbox(
            self.clients.producer(**{"linger.ms": 0, "compression.type": "lz4"}), loop=self._home, on_death=self.failed_here
        )
        member = {"group.instance.id": self.options.member} if self.options.member else {}
        self._group = self.clients.consumer(group=self.topology.name, **{"group.protocol": "consumer"}, **member)
        self._source = Source(self._group, list(self._agents), self, max_in_flight=self.options.max_in_flight)
        self._folder = Folder(max_batch=self.options.max_batch, fuse=self._fuse, observer=self._observer, done=self._source.done)
        watchdog = Watchdog(
            progress=self._progress, behind=self._behind, patience_s=self.options.stuck_after_s, stuck=self.on_stuck
        )
        self._over = watchdog.start()
        self._source.start()

    async def on_stop(self) -> None:
        """Finish what was begun, commit, leave the group."""
        self._over.set()
        self._source.stop()
        ended = await asyncio.get_running_loop().run_in_executor(None, self._source.join, 3 * FINISH_S)
        if not ended:
            LOG.warning("left the group without its word", unfinished="will be done again")
        self._outbox.close()
        self._state_outbox.close()

    # What the source calls, in its own thread.

    def take_over(self, places: list[Place]) -> dict[Place, int]:
        """Recover the partitions, waiting for as long as the world is away."""
        while True:
            try:
                return self._recovered(places)
            except Unavailable as away:
                LOG.warning("recovery waits", reason=str(away))
                self._recovery_waits = True
                time.sleep(RETRY_S)
            finally:
                self._recovery_waits = False

    def _recovered(self, places: list[Place]) -> dict[Place, int]:
        reading = self.clients.consumer(group=f"{self.topology.name}.recovery")
        try:
            ready, starts = [], {}
            marks = patiently(lambda: self._group.committed(places), brokers="the group's")
            for place in places:
                began = time.monotonic()
                processor = self._processor(self._agents[place[0]], place[1])
                start = recover(reading, processor, marks[place], told=self._told(processor))
                for sha in processor.state.models.values():
                    self.clients.bundles(sha)
                self._observer.recovered(processor, time.monotonic() - began)
                ready.append(
                    Partition(
                        *place, processor, self._outbox, self._state_outbox, self._writer, start.offset, self._committed, self.clients.trim,
                        mute_below=start.mute_below, passing=self.clients.passing, fuse=self._fuse.memory,
                    )
                )  # fmt: skip
                self._fuse.remember(*place, start.fuse)
                starts[place] = start.offset
        finally:
            reading.close()
        self._call(self._open(ready))
        return starts

    def _told(self, processor: Processor) -> Callable[[int, int], None]:
        """Return what a recovery tells of itself: shown while it lasts, and for the watchdog a sign of life."""
        said_at = time.monotonic()

        def told(records: int, of: int) -> None:
            nonlocal said_at
            self._read_back += 1
            self._observer.recovering(processor, of - records)
            if time.monotonic() - said_at > TELL_S:
                said_at = time.monotonic()
                LOG.info("recovering", agent=processor.agent.name, partition=processor.partition, records=records, of=of)

        return told

    def _processor(self, agent: Agent, partition: int) -> Processor:
        reader = Reader(agent.reads, self.clients.schemas, holds=agent.holds)
        return Processor(agent, partition, reader=reader, schema_ids=self.clients.schema_ids, bundles=self.clients.bundles)

    def give_back(self, places: list[Place]) -> dict[Place, int]:
        """Drop what is queued, finish what is begun, within FINISH_S."""
        return self._call(self._release(places, finish=True))

    def let_go(self, places: list[Place]) -> None:
        """Drop everything."""
        self._call(self._release(places, finish=False))

    def deliver(self, fetched: Fetched) -> None:
        """Queue the records and wake the agents."""
        self._home.call_soon_threadsafe(self._deliver, fetched)

    def lagging(self, records: dict[str, int]) -> None:
        """Show how far behind each agent is, and how large its tables are."""
        for topic, lag in records.items():
            self._observer.lag(self._agents[topic].name, lag)
        self._home.call_soon_threadsafe(self._show_states)

    def failed(self, error: BaseException) -> None:
        """Stop the process: nothing more will come."""
        self._home.call_soon_threadsafe(self.failed_here, error)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._home).result()

    # What runs in the event loop.

    def failed_here(self, error: BaseException) -> None:
        """Remember the first failure and stop the worker, loudly."""
        if self.failure is None:
            self.failure = error
            if not isinstance(error, (Fault, Unavailable)):
                LOG.error("stopping on an error of ours", exc_info=error)
            self.on_failure()

    def _show_states(self) -> None:
        for partition in self._partitions.values():
            self._observer.state(partition.processor)

    async def _open(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            place = (partition.topic, partition.number)
            self._partitions[place], self._locks[place] = partition, asyncio.Lock()
            self._keepers[place] = asyncio.create_task(self._keep_epochs(place, partition))

    async def _keep_epochs(self, place: Place, partition: Partition) -> None:
        try:
            while not partition.closed:
                await partition.dirty.wait()
                await asyncio.sleep(self.options.min_epoch_s)
                with suppress(TimeoutError):
                    await asyncio.wait_for(partition.worthwhile.wait(), QUIET * self.options.min_epoch_s)
                async with self._locks[place]:
                    if not partition.closed:
                        await self._close_epoch(partition)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a lost epoch must not go unseen
            self.failed_here(error)

    async def _close_epoch(self, partition: Partition) -> None:
        began = time.monotonic()
        await partition.close_epoch(self._confirmed)
        self._observer.epoch(partition, time.monotonic() - began)

    async def _confirmed(self, done: asyncio.Future[None], what: str) -> None:
        """Wait for Kafka's word for as long as it takes, and say every few seconds that we wait."""
        while not (await asyncio.wait([done], timeout=FINISH_S))[0]:
            LOG.warning("Kafka does not confirm, waiting", what=what, seconds=FINISH_S)
        done.result()

    def _committed(self, topic: str, partition: int, count: int) -> None:
        place = (topic, partition)
        held = self._partitions.get(place)
        self._source.done(place, -1 if held is None else held.reached, count)

    async def _release(self, places: list[Place], *, finish: bool) -> dict[Place, int]:
        held = {place: self._partitions[place] for place in places if place in self._partitions}
        for place, partition in held.items():
            self._source.done(place, -1, partition.drop_pending())
        if finish and held:
            _, late = await asyncio.wait([asyncio.create_task(self._finish(place)) for place in held], timeout=FINISH_S)
            for task in late:
                task.cancel()
        for place, partition in held.items():
            partition.close()
            self._keepers.pop(place).cancel()
            self._source.done(place, -1, partition.folded_records - partition.logged_records)
            self._observer.released(partition.processor)
            del self._partitions[place], self._locks[place]
        return {place: partition.reached for place, partition in held.items()}

    async def _finish(self, place: Place) -> None:
        async with self._locks[place]:
            if not self._partitions[place].closed:
                await self._close_epoch(self._partitions[place])

    def _deliver(self, fetched: Fetched) -> None:
        for records in fetched.records:
            place = (records.topic, records.partition)
            partition = self._partitions.get(place)
            left_out = len(records) if partition is None or partition.closed else partition.queue(records)
            if left_out:
                self._source.done(place, -1, left_out)
            if partition is not None and partition.pending:
                self._wake(partition)
        for place, end in fetched.ends.items():
            partition = self._partitions.get(place)
            if partition is not None:
                partition.end = end
                partition.pass_end()

    def _wake(self, partition: Partition) -> None:
        """Let the partition have its turn in the agent's next round."""
        if not partition.queued:
            partition.queued = True
            self._ready[partition.topic].append(partition)
            self._bells[partition.topic].set()

    async def serve(self, topic: str) -> None:
        """Fold what comes for the agent of a topic, round by round, until cancelled."""
        while True:
            await self._bells[topic].wait()
            self._bells[topic].clear()
            await self.one_round(topic)

    async def one_round(self, topic: str) -> None:
        """Give each partition that has records waiting its turn, then rest if that was little; a failure ends the process.

        A small batch costs as much as a large one. Resting for a share of what a round took lets the next batches grow, and leaves the
        core to those who feed and drain us; a full batch says that we are behind, and rest is over.
        """
        began, little, ready = time.perf_counter(), True, self._ready[topic]
        for _ in range(len(ready)):
            partition = ready.popleft()
            partition.queued = False
            try:
                little &= await self._folder.work(partition) < SMALL_BATCH
            except Exception as error:  # noqa: BLE001 - nothing of this batch is acknowledged; the process ends
                # Its tables hold half of a batch that did not leave: no epoch may be cut from them any more.
                partition.close()
                self.failed_here(error)
                return
            if partition.pending:
                self._wake(partition)
            await asyncio.sleep(0)
        if little:
            await asyncio.sleep(min(REST_SHARE * (time.perf_counter() - began), REST_S))

    # What the watchdog asks, in its own thread.

    def _progress(self) -> int:
        held = list(self._partitions.values())
        return sum(p.folded_records + p.logged_records + p.folded + p.reached for p in held) + len(held) + self._read_back

    def _behind(self) -> int | None:
        """Ask Kafka how many records wait for us; None if it does not answer, or if we know what we wait for."""
        if self._folder.waits or self._recovery_waits:
            return None
        held = list(self._partitions.values())
        asking = self.clients.consumer(group=f"{self.topology.name}.watchdog")
        try:
            return sum(max(asking.bounds(p.topic, p.number, ANSWER_S)[1] - p.reached, 0) for p in held)
        except KafkaException:
            return None
        finally:
            asking.close()
