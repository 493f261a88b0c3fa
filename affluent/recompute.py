"""How is a replay wired? Tasks are planned here and done in as many processes as there are cores; each has clients of its own."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from affluent.stream import topology_of
from infra.errors import Fault

if TYPE_CHECKING:
    from infra.settings import Settings
    from streams.engine.processor import Sent
    from streams.engine.topology import Agent
    from streams.replay.plan import Asked, Task
    from streams.replay.verdict import Verdict

NULL = "null"
A_PROCESS = 50_000
"""Records for which another process is worth its start."""
_QUEUE = {"queued.max.messages.kbytes": 16_384, "fetch.wait.max.ms": 5}
"""A replay reads several topics by turns: each may fetch so much ahead. All it reads is there by now: no fetch waits for more."""

Shown = Callable[[Any], Callable[[Any, int], None]]
"""Told what there is to do; returns what is told how much of a task is done."""


def done(
    domain: str, settings: "Settings", agents: "Sequence[Agent]", asked: "Asked", *, into: str | None, jobs: int | None,
    latencies: bool, shown: Shown,
) -> "tuple[list[Verdict], int]":  # fmt: skip
    """Return a verdict for each agent, and how many processes it took."""
    from infra import kafka
    from infra.kafka import columns
    from streams.replay.log import KafkaLog
    from streams.replay.plan import tasks
    from streams.replay.pool import run
    from streams.replay.verdict import merged

    counts = kafka.partitions(settings.kafka)
    log = KafkaLog(
        partial(columns.consumer, settings.kafka, group=f"streams-{domain}.replay"), counts, brokers=settings.kafka.brokers
    )
    try:
        todo = tasks(log, agents, asked, partial(_since, settings), verify=into is None)
    finally:
        log.close()
    if into not in (None, NULL):
        _make_topics(settings, agents, counts, str(into))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    used = jobs or min(cores, 1 + sum(task.stop for task in todo) // A_PROCESS)
    # The largest first: the last process to end should not have begun with it.
    ordered = sorted(todo, key=lambda task: -task.stop)
    opened = partial(worker, domain, settings, into, latencies=latencies)
    results = dict(zip(ordered, run(ordered, opened, jobs=used, told=shown(todo)), strict=True))
    found = [merged(a.name, {task.partition: results[task] for task in todo if task.agent == a.name}) for a in agents]
    return found, min(used, len(todo))


def _since(settings: "Settings", topic: str, partition: int, ms: int) -> int:
    from confluent_kafka import TopicPartition

    from infra import kafka

    consumer = kafka.consumer(settings.kafka, group="replay-times")
    try:
        with kafka.speaking(settings.kafka.brokers):
            offset = consumer.offsets_for_times([TopicPartition(topic, partition, ms)], timeout=15.0)[0].offset
            return offset if offset >= 0 else consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=15.0)[1]
    finally:
        consumer.close()


def _new_name(topic: str, into: str) -> str:
    return f"{topic}.replay-{into}"


def _make_topics(settings: "Settings", agents: "Sequence[Agent]", counts: dict[str, int], into: str) -> None:
    """Make the topics that a replay writes into; never one that exists."""
    from infra import kafka
    from schemas.event import Topic
    from schemas.letters import DEAD_LETTERS

    topics = dict.fromkeys([event.topic for agent in agents for event in agent.writes] + [DEAD_LETTERS])
    for topic in topics:
        if _new_name(topic.name, into) in counts:
            raise Fault(f"--into: topic {_new_name(topic.name, into)} exists already; take another name, or delete it first")
    new = [Topic(_new_name(t.name, into), t.key, counts.get(t.name, t.partitions), t.retention) for t in topics]
    kafka.ensure_topics(settings.kafka, new)


@contextmanager
def worker(
    domain: str, settings: "Settings", into: str | None, *, latencies: bool
) -> "Iterator[Callable[[Task, Callable[[int], None]], Verdict]]":
    """Give what does one task, in whichever process this is called."""
    from affluent.clients import engine_clients
    from infra import kafka
    from infra.kafka import columns
    from streams.replay.folding import Means, reached
    from streams.replay.log import KafkaLog
    from streams.replay.rewriting import rewrite
    from streams.replay.verifying import verify

    topology, clients = topology_of(domain), engine_clients(settings)
    means = Means(clients.schemas, clients.schema_ids, clients.bundles)
    counts, brokers = kafka.partitions(settings.kafka), settings.kafka.brokers
    log = KafkaLog(partial(columns.consumer, settings.kafka, group=f"{topology.name}.replay", **_QUEUE), counts, brokers=brokers)
    producer = columns.producer(settings.kafka) if into not in (None, NULL) else None

    def post(sent: "Sent") -> None:
        if producer is not None:
            producer.produce(_new_name(sent.topic.name, str(into)), sent.values, sent.keys, partition=sent.partition)
            _require_delivered(producer.serve(0))

    def work(task: "Task", told: Callable[[int], None]) -> "Verdict":
        agent = topology.agents[task.agent]
        if into is None:
            end = reached(log, agent, task.partition)
            if not task.reach and end < task.stop:
                raise Fault(
                    f"--to: {task} has come to offset {end} only, found {task.stop}: what lies behind is not published yet"
                )
            stop = min(task.stop, end)
            return verify(
                log, agent, task.partition, means, start=min(task.start, stop), stop=stop, latencies=latencies, progress=told
            )
        found = rewrite(log, agent, task.partition, means, start=task.start, stop=task.stop, post=post, progress=told)
        while producer is not None and len(producer):
            _require_delivered(producer.serve(0.1))
        return found

    try:
        yield work
    finally:
        log.close()
        if producer is not None:
            producer.close()


def _require_delivered(reports: Sequence[Any]) -> None:
    for report in reports:
        if report.error is not None:
            raise Fault(f"--into: Kafka refused an output: {report.error.str()}")
