"""Which dead letters are there, and what became of each? Read from their topic, where the answers stand behind the letters.

The log is the truth: what was sent again or laid aside is known here as soon as it is committed, whether or not a sink runs. Postgres
has the same as history (`dead_letter`, `letter_redriven`, `letter_discarded`).
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException
from numpy.typing import NDArray

from infra import kafka
from infra.errors import Unavailable
from infra.kafka import columns
from infra.settings import Kafka
from schemas.causes import Cause, cause_of
from schemas.columns import Columns, Reader, Records
from schemas.event import Event
from schemas.letters import DEAD_LETTERS, DeadLetter, LetterDiscarded, LetterRedriven

SILENT_S = 20.0
"""How long the log may say nothing before we say that it is away."""
AT_ONCE = 2_000
_PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}

Schemas = Callable[[int], Mapping[str, Any] | None]
Place = tuple[str, int, int]
"""Topic, partition and offset."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One letter without its bytes. origin: where the message lay; lies_at: partition and offset of the letter itself."""

    id: str
    at: datetime
    cause: Cause
    origin: Place
    lies_at: tuple[int, int]


@dataclass
class Letters:
    """All letters by id, in log order, and what became of them. unreadable: records of the topic that are none of ours."""

    entries: dict[str, Entry] = field(default_factory=dict)
    unreadable: int = 0
    _redriven: dict[Place, LetterRedriven] = field(default_factory=dict)
    _discarded: dict[str, LetterDiscarded] = field(default_factory=dict)
    _sent: dict[Place, LetterRedriven] = field(default_factory=dict)
    _at_place: dict[Place, list[str]] = field(default_factory=dict)

    def take_in(self, entry: Entry) -> None:
        """Add a letter; one that a worker told twice is one."""
        if entry.id not in self.entries:
            self.entries[entry.id] = entry
            self._at_place.setdefault(entry.origin, []).append(entry.id)

    def learn(self, done: LetterRedriven | LetterDiscarded) -> None:
        """Take in what became of a letter. It stands behind the letter, in the same partition."""
        if isinstance(done, LetterDiscarded):
            self._discarded[done.cause] = done
            return
        self._sent[done.origin_topic, done.sent_partition, done.sent_offset] = done
        if (entry := self.entries.get(done.cause)) is not None:
            self._redriven[entry.origin] = done

    def redriven(self, entry: Entry) -> LetterRedriven | None:
        """Return how the message was sent again: one message, though several agents may have made a letter of it."""
        return self._redriven.get(entry.origin)

    def discarded(self, entry: Entry) -> LetterDiscarded | None:
        """Return how the letter was laid aside."""
        return self._discarded.get(entry.id)

    def state(self, entry: Entry) -> str:
        """Return open, redriven or discarded."""
        return "redriven" if self.redriven(entry) else "discarded" if self.discarded(entry) else "open"

    def came_from(self, entry: Entry) -> Entry | None:
        """Return the letter that was sent again and became this one."""
        sent = self._sent.get(entry.origin)
        return None if sent is None else self.entries.get(sent.cause)

    def came_back(self, entry: Entry) -> list[Entry]:
        """Return the letters that a redriven letter became."""
        done = self.redriven(entry)
        place = None if done is None else (done.origin_topic, done.sent_partition, done.sent_offset)
        return [self.entries[each] for each in self._at_place.get(place, [])] if place else []

    def first(self, entry: Entry) -> Entry:
        """Return the letter with which the story of a message began."""
        seen = {entry.id}
        while (before := self.came_from(entry)) is not None and before.id not in seen:
            entry = before
            seen.add(entry.id)
        return entry


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant: those that agree in everything that is given. since: by the time at the origin."""

    agent: str | None = None
    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None
    like: Cause | None = None

    def holds(self, entry: Entry) -> bool:
        """Return whether a letter is meant."""
        cause = entry.cause
        return (
            self.agent in (None, cause.agent)
            and self.topic in (None, cause.topic)
            and self.reason in (None, cause.reason)
            and (self.since is None or entry.at >= self.since)
            and self.like in (None, cause)
        )


class Desk:
    """Reads the topic of the dead letters. Raises Unavailable or Fault where Kafka or the registry do not answer."""

    def __init__(self, settings: Kafka, schemas: Schemas) -> None:
        self._settings = settings
        self._reader = Reader(DEAD_LETTERS, schemas)

    def read(self) -> Letters:
        """Return all letters, as of now."""
        found = Letters()
        count = kafka.partitions(self._settings).get(DEAD_LETTERS.name, 0)
        done: list[Event] = []
        for records in self._log(dict.fromkeys(range(count), 0)):
            batch = self._reader.read(records)
            found.unreadable += len(batch.letters)
            for entry in _entries(batch.of(DeadLetter), records.partition, batch.offsets[batch.order(DeadLetter)]):
                found.take_in(entry)
            done += [*batch.of(LetterRedriven).rows(), *batch.of(LetterDiscarded).rows()]
        for each in done:
            if isinstance(each, LetterRedriven | LetterDiscarded):
                found.learn(each)
        return found

    def whole(self, entries: Collection[Entry]) -> Iterator[DeadLetter]:
        """Yield these letters with their bytes, in log order."""
        wanted: dict[int, set[int]] = {}
        for entry in entries:
            partition, offset = entry.lies_at
            wanted.setdefault(partition, set()).add(offset)
        for partition, offsets in wanted.items():
            for records in self._log({partition: min(offsets)}):
                mine = np.flatnonzero(np.isin(records.offsets, list(offsets)))
                offsets -= set(records.offsets[mine].tolist())
                yield from self._reader.read(_take(records, mine)).of(DeadLetter).rows()
                if not offsets:
                    break

    def _log(self, starts: Mapping[int, int]) -> Iterator[Records]:
        """Yield the records of the topic from these offsets on, up to the ends of the partitions."""
        if not starts:
            return
        with kafka.speaking(self._settings.brokers):
            consumer = columns.consumer(self._settings, group="affluent.letters")
        try:
            with kafka.speaking(self._settings.brokers):
                name = DEAD_LETTERS.name
                firsts = {(name, number): max(start, consumer.bounds(name, number)[0]) for number, start in starts.items()}
                consumer.assign(firsts)
            waiting, heard = set(firsts), time.monotonic()
            while waiting:
                with kafka.speaking(self._settings.brokers):
                    found = consumer.fetch(AT_ONCE, 0.2)
                    for error in found.errors:
                        if error.code() not in _PASSING:
                            raise KafkaException(error)
                if found.count or found.ends:
                    heard = time.monotonic()
                elif time.monotonic() > heard + SILENT_S:
                    raise Unavailable(f"Kafka at {self._settings.brokers} is away: it did not show {name} within {SILENT_S:g} s")
                yield from found.records
                waiting -= set(found.ends)
        finally:
            consumer.close()


def _take(records: Records, rows: NDArray[np.int64]) -> Records:
    keys, values = records.keys.take(rows), records.values.take(rows)
    return Records(records.topic, records.partition, records.offsets[rows], records.appended_at[rows], keys, values)


_READ = ("event_id", "at", "agent", "origin_topic", "reason", "detail", "origin_partition", "origin_offset")


def _entries(letters: Columns[DeadLetter], partition: int, offsets: Any) -> Iterator[Entry]:
    for row, offset in zip(letters.tuples(_READ), offsets.tolist(), strict=True):
        id_, at, agent, topic, reason, detail, origin_partition, origin_offset = row
        yield Entry(
            id_, at, cause_of(agent, topic, reason, detail), (topic, origin_partition, origin_offset), (partition, offset)
        )
