"""Where do the facts of dispatch come from? From files of real deliveries, or from a simulated city; with their own clock.

A source gives chunks in event-time order. The hours of a historical run are told by the importer: a tick before the first event
of each hour, in every partition. Ids are functions of the data, so sending a source twice adds nothing that an agent counts.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.errors import Fault
from producers import flights, restaurant, samples
from producers.chunk import SIZE, Chunk, chunks
from producers.client import Producer
from producers.pace import Pacer
from producers.simulation import City, simulate
from producers.ticks import tick
from schemas.columns import Columns
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS

SOURCES = ("flights", "restaurant", "simulation")
_READERS = {"flights": flights.read, "restaurant": restaurant.read}
_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Sent:
    """What was sent. events: facts; ticks: hours told; first, last: event time of the facts, ms, None if there were none."""

    events: int = 0
    ticks: int = 0
    first: int | None = None
    last: int | None = None

    def and_of(self, at: NDArray[np.int64], facts: NDArray[np.bool_]) -> "Sent":
        """Return this and more. at: when each record's event happened, ms. facts: which are facts; the others are ticks."""
        when = at[facts]
        first = int(when[0]) if self.first is None and len(when) else self.first
        last = int(when[-1]) if len(when) else self.last
        return Sent(self.events + len(when), self.ticks + len(at) - len(when), first, last)


def source(name: str, files: Iterable[Path] = (), *, seed: int = 1) -> Iterator[Chunk]:
    """Return the chunks of a source in event-time order, without ticks; a simulation has no end.

    files: of that source, the project's sample unless given. Raises Fault for an unknown source, a file that is missing or bad.
    """
    given = tuple(files)
    if name == "simulation":
        if given:
            raise Fault(f"a simulation reads no file, found {given[0]}")
        return simulate(City(seed=seed))
    if name not in _READERS:
        raise Fault(f"source: expected one of {', '.join(SOURCES)}, found {name!r}")
    return chunks(_READERS[name](given or samples.files(name)))


def cut(source: Iterable[Chunk], *, limit: int | None = None, until: datetime | None = None) -> Iterator[Chunk]:
    """Yield the first `limit` facts, and none from the moment `until` on."""
    left = limit
    for whole in source:
        chunk = whole if until is None else whole.take(whole.at < int(until.timestamp() * 1000))
        ended = len(chunk) < len(whole)
        if left is not None:
            chunk = chunk.take(slice(left))
            left -= len(chunk)
        if len(chunk):
            yield chunk
        if ended or left == 0:
            return


def small(source: Iterable[Chunk], size: int = SIZE) -> Iterator[Chunk]:
    """Yield the same events in chunks of at most `size`, so that memory stays small and a pace is kept."""
    for chunk in source:
        for first in range(0, len(chunk), size):
            yield chunk.take(slice(first, first + size)).compact()


def ticked(source: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield the events with a tick before the first event of each hour, quiet hours included, and one that closes the last."""
    number: int | None = None
    for chunk in source:
        begun = np.maximum.accumulate(chunk.at // _HOUR_MS)
        if number is None:
            number = -int(-chunk.at[0] // _HOUR_MS)
        hours = np.arange(number, int(begun[-1]) + 1)
        number += len(hours)
        yield _between(chunk, hours, np.searchsorted(begun, hours)) if len(hours) else chunk
    if number is not None:
        yield Chunk.of([tick(number)])


def _between(chunk: Chunk, hours: NDArray[np.int64], places: NDArray[np.int64]) -> Chunk:
    """Put the ticks of these hours before the events at these places."""
    ticks: Columns[Control] = Columns.of([tick(hour) for hour in hours.tolist()])
    return Chunk(
        (*chunk.parts, ticks),
        np.insert(chunk.part, places, len(chunk.parts)),
        np.insert(chunk.row, places, np.arange(len(hours))),
    )


def send(
    source: Iterable[Chunk],
    producer: Producer,
    pacer: Pacer,
    *,
    ticks: bool = True,
    told: Callable[[Sent], None] = lambda _: None,
) -> Sent:
    """Send a source at its pace and return what was sent, all of it confirmed. told: called whenever some were sent.

    Raises Undelivered if Kafka stayed away for longer than the producer has patience.
    """
    sent = Sent()
    for chunk in ticked(small(source)) if ticks else small(source):
        ready = producer.prepare(chunk, ASSIGNMENTS)
        facts = chunk.facts
        for first, last in pacer.spans(ready.at):
            producer.post(ready, first, last)
            sent = sent.and_of(ready.at[first:last], facts[first:last])
            told(sent)
    producer.flush()
    return sent
