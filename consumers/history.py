"""How does every event come to rest in Postgres exactly once?

Rows and the sink's offsets are written in one transaction, so the offsets in the database are the truth: at an assignment the
sink goes to them, and Kafka's own commit only feeds lag displays. An offset moves only from where the writer believes it to be:
a writer that was asleep while another took over (a zombie) finds it moved, writes nothing and goes on from there. A commit that
the server forgets in a crash takes its offsets along and is read again, so commits need not wait for the disk.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import structlog
from psycopg import Cursor, errors
from sqlalchemy import func, select

from consumers import copying, kept
from consumers.days import Days, Session
from consumers.kept import Kept, keep
from consumers.loading import Loader
from consumers.stretch import DAY_MS, Overtaken, Partition, Stretch, halves, in_portions
from consumers.tables import HISTORY, LETTERS, name_of
from infra import postgres
from infra.errors import Fault, Unavailable
from infra.metrics import SinkMetrics
from schemas.columns import Batch
from schemas.event import Event

LOG = structlog.get_logger()

DAYS_AT_ONCE = 128
"""Most days of tables touched in one transaction: each takes locks, of which a small server has about a thousand."""

REFUSALS = 100
"""After so many values refused in a row it is not the values."""


class History:
    """The history tables, written on behalf of one consumer group. Not for use by several threads."""

    name = "postgres"

    def __init__(self, dsn: str, *, sink: str, metrics: SinkMetrics, now: Callable[[], float]) -> None:
        """sink: the consumer group. now: seconds since 1970."""
        self._dsn, self._sink, self._metrics, self._now = dsn, sink, metrics, now
        self._session: Session | None = None
        self._days = Days()
        self._loaders: dict[type[Event], Loader] = {}
        self._refused = 0

    def offsets(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Return where to go on reading; a partition never seen begins at 0."""
        topics, numbers = [topic for topic, _ in partitions], [number for _, number in partitions]
        with self._speaking() as session, session.transaction(), session.cursor() as cursor:
            cursor.execute(
                "INSERT INTO sink_offsets (sink, topic, partition, next_offset) "
                "SELECT %s, t, p, 0 FROM unnest(%s::text[], %s::int[]) AS new(t, p) ON CONFLICT DO NOTHING",
                [self._sink, topics, numbers],
            )
            return self._stored(cursor, topics, numbers)

    def rewind(self) -> None:
        """Forget how far the sink has read: it reads everything again, which changes nothing."""
        with self._speaking() as session:
            session.execute("UPDATE sink_offsets SET next_offset = 0 WHERE sink = %s", [self._sink])

    def write(self, stretches: Sequence[Stretch]) -> None:
        """Write all records and move the offsets, in one transaction unless they spread over very many days.

        Raises Overtaken if another moved an offset, Unavailable, Fault.
        """
        for some in in_portions(stretches, DAYS_AT_ONCE):
            self._write_or_halve(some)

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _write_or_halve(self, stretches: Sequence[Stretch]) -> None:
        """Write; a value that Postgres refuses is found by halving, and its record is kept as a letter."""
        try:
            self._write(stretches, [])
        except postgres.BAD_VALUES as error:
            if sum(stretch.batch.n for stretch in stretches) > 1:
                for half in halves(stretches):
                    self._write_or_halve(half)
                return
            self._refused += 1
            if self._refused > REFUSALS:
                raise Fault(
                    f"Postgres refuses one record after the other ({str(error).splitlines()[0]}): the tables are not those of this "
                    "release; nothing more is set aside"
                ) from error
            (one,) = stretches
            letter = keep(one, 0, "malformed", f"Postgres refused it: {str(error).splitlines()[0]}")
            self._write([one.without(np.ones(1, np.bool_))], [letter])
        else:
            self._refused = 0

    def _write(self, stretches: Sequence[Stretch], letters: list[Kept]) -> None:
        fit = [_sift(stretch, letters) for stretch in stretches]
        new: dict[str, int] = {}
        try:
            with self._speaking() as session:
                self._days.ensure(session, {pair for stretch in fit for pair in _days(stretch.batch)})
                with session.transaction(), session.cursor() as cursor:
                    self._advance(cursor, fit)
                    for event, some in _by_event(fit).items():
                        new[name_of(event)] = self._load(cursor, event, some, letters)
                    kept.write(cursor, letters)
        except errors.CheckViolation as error:  # our tables have no checks but the bounds of their partitions
            self._days.forget()
            raise Unavailable("a day's partition was dropped while we wrote into it; it is made again") from error
        self._tell(fit, new, letters)

    def _advance(self, cursor: Cursor[Any], stretches: Sequence[Stretch]) -> None:
        """Move the offsets from where we believe them to be; their rows stay locked until the transaction ends."""
        moves = [(each.topic.name, span) for each in stretches for span in each.spans]
        topics, numbers = [topic for topic, _ in moves], [span.partition for _, span in moves]
        moved = cursor.execute(
            "UPDATE sink_offsets AS o SET next_offset = new.after "
            "FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[]) AS new(topic, partition, before, after) "
            "WHERE o.sink = %s AND o.topic = new.topic AND o.partition = new.partition AND o.next_offset = new.before "
            "RETURNING o.topic, o.partition",
            [topics, numbers, [span.start for _, span in moves], [span.end for _, span in moves], self._sink],
        ).fetchall()
        if len(moved) < len(moves):
            there = self._stored(cursor, topics, numbers)
            raise Overtaken({each: there.get(each, 0) for each in zip(topics, numbers, strict=True) if each not in moved})

    def _stored(self, cursor: Cursor[Any], topics: list[str], numbers: list[int]) -> dict[Partition, int]:
        found = cursor.execute(
            "SELECT topic, partition, next_offset FROM sink_offsets "
            "WHERE sink = %s AND (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::int[]))",
            [self._sink, topics, numbers],
        )
        return {(topic, partition): offset for topic, partition, offset in found}

    def _load(self, cursor: Cursor[Any], event: type[Event], stretches: Sequence[Stretch], letters: list[Kept]) -> int:
        """Load the rows of one class and return how many are new."""
        if event not in self._loaders:
            self._loaders[event] = Loader(event)
        loader, buffers, count = self._loaders[event], [], 0
        for each in stretches:
            batch = each.batch
            order = batch.order(event)
            place = copying.Place(each.topic.name, each.partitions[order], batch.offsets[order], batch.appended_at[order])
            buffers.append(copying.rows(batch.of(event), place))
            count += len(order)
        loaded = loader.load(cursor, buffers, count)
        detail = f"{loader.table}: another event with this id was there first"
        for topic, partition, offset in loaded.differing:
            for each in stretches:
                if topic in (None, each.topic.name):
                    here = np.flatnonzero((each.partitions == partition) & (each.batch.offsets == offset))
                    letters += [keep(each, int(index), "repeated_id", detail) for index in here]
        return loaded.new

    @contextmanager
    def _speaking(self) -> Iterator[Session]:
        with postgres.speaking(self._dsn):
            if self._session is None or self._session.closed:
                self._session = postgres.connect(self._dsn, name=self._sink)
                self._session.execute("SET synchronous_commit = off; SET client_min_messages = warning")
            yield self._session

    def _tell(self, stretches: Sequence[Stretch], new: dict[str, int], letters: Sequence[Kept]) -> None:
        for table, count in new.items():
            self._metrics.rows.labels(table).inc(count)
        for letter in letters:
            self._metrics.unreadable.labels(letter.topic, letter.reason).inc()
            place = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
            LOG.warning("kept as a letter", **place, reason=letter.reason, detail=letter.detail)
        now_ms = self._now() * 1000
        for stretch in stretches:
            good = stretch.batch.kind >= 0
            self._metrics.latency.labels("append").observe((now_ms - stretch.batch.appended_at[good]) / 1000)
            self._metrics.latency.labels("event").observe((now_ms - stretch.batch.at[good]) / 1000)


def _sift(stretch: Stretch, letters: list[Kept]) -> Stretch:
    """Take out what Postgres cannot keep. Undecodable facts are set aside by the stream's agent, other records by us."""
    batch = stretch.batch
    if not stretch.topic.facts:
        letters += [keep(stretch, each.index, each.reason, each.detail, each.schema_id) for each in batch.letters]
    mask = np.zeros(batch.n, np.bool_)
    for event in batch.holds:
        mask[batch.order(event)] = copying.unfit(batch[event])
    if not mask.any():
        return stretch
    detail = "expected a text without NUL characters, found one: Postgres cannot keep it"
    letters += [keep(stretch, int(index), "bad_text", detail) for index in np.flatnonzero(mask)]
    return stretch.without(mask)


def _days(batch: Batch) -> Iterator[tuple[str, int]]:
    """Yield the (table, day) pairs that a batch touches."""
    for event in batch.holds:
        for day in np.unique(batch.at[batch.order(event)] // DAY_MS):
            yield name_of(event), int(day)


def _by_event(stretches: Sequence[Stretch]) -> dict[type[Event], list[Stretch]]:
    found: dict[type[Event], list[Stretch]] = {}
    for stretch in stretches:
        for event in stretch.batch.holds:
            if len(stretch.batch.of(event)):
                found.setdefault(event, []).append(stretch)
    return found


def counts(dsn: str) -> dict[str, int]:
    """Return how many rows each history table has, and `sink_letters`."""
    with postgres.speaking(dsn), postgres.engine(dsn).connect() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (*HISTORY.values(), LETTERS)
        }
