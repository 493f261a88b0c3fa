"""How do a model version and the hour reach an agent? As control records that this relay copies into each log of facts.

A promoted version goes into every partition of every facts topic, numbered by its place in `models.versions.v1`; so each log
has one exact place where it takes effect. A copy may come twice, after a crash or when the relay is told to start again: agents
ignore a number that they have obeyed. All copies of a record share their event id, which a store keeps once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

from infra.delivery import Delivery
from infra.errors import Fault, Unavailable
from infra.kafka import committed, speaking
from schemas.columns import Batch, Columns, Letter, Reader, Records, Strings, derive_ids, encode
from schemas.control import MODEL_VERSIONS, Control, ModelVersionChanged
from schemas.event import Event, Topic
from schemas.letters import DeadLetter

AGENT = "relay"
HOUR = timedelta(hours=1)
HOURS = "hours"
"""The series of the clock's ticks; the others are named after the topic they are copied from."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SILENCE_S = 15.0
_RECORDS = 500
_LETTER_BYTES = 900_000


class Source(Protocol):
    """What we need of confluent-kafka's consumer; it must report the end of a partition."""

    def assign(self, partitions: list[TopicPartition], /) -> None:
        """Read from here on."""

    def consume(self, num_messages: int, timeout: float, /) -> list[Message]:
        """Return what came."""

    def committed(self, partitions: list[TopicPartition], timeout: float, /) -> list[TopicPartition]:
        """Return the group's position."""

    def commit(self, *, offsets: list[TopicPartition], asynchronous: Any) -> Any:
        """Keep the group's position."""

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float, /) -> tuple[int, int]:
        """Return the first and the next offset."""


class Relay:
    """Copies what is new in `models.versions.v1`, and the hours if told to, into the facts topics.

    schemas: finds a schema by id. ids: the schema id of a class in a topic. facts: the topics to copy into. from_start: copy
    everything again, for facts topics or partitions that are new. copied: told each topic and how many records went into it.
    """

    def __init__(
        self,
        *,
        source: Source,
        out: Delivery,
        schemas: Callable[[int], Mapping[str, Any] | None],
        ids: Callable[[type[Event], Topic], int],
        facts: Iterable[Topic],
        from_start: bool = False,
        copied: Callable[[str, int], None] = lambda _topic, _n: None,
    ) -> None:
        self._source, self._out, self._ids, self._copied = source, out, ids, copied
        self._facts = tuple(facts)
        self._reader = Reader(MODEL_VERSIONS, schemas)
        self._place = TopicPartition(MODEL_VERSIONS.name, 0)
        next_, self._hour = self._position()
        self._next = 0 if from_start else next_
        self._kept = (next_, self._hour)
        self._seen = self._next
        self._go_to_next()

    def _position(self) -> tuple[int, int | None]:
        """Return where the group goes on, and the last hour it told; 0 and None at first."""
        (found,) = committed(self._source, [self._place], brokers=self._out.brokers)
        if found.offset > self.end():
            raise Fault(
                f"{MODEL_VERSIONS.name} has {self.end()} records, but {found.offset} were copied: it was made anew, so agents "
                "ignore its numbers until they pass the old ones; make all topics anew (affluent down --wipe)"
            )
        return max(found.offset, 0), int(found.metadata) if found.metadata else None

    def _go_to_next(self) -> None:
        self._source.assign([TopicPartition(MODEL_VERSIONS.name, 0, self._next or OFFSET_BEGINNING)])

    def end(self) -> int:
        """Return the offset that the next model version will have. Raises Unavailable."""
        with speaking(self._out.brokers):
            return self._source.get_watermark_offsets(self._place, SILENCE_S)[1]

    @property
    def seen(self) -> int:
        """How far the relay is: everything below this offset is copied and confirmed."""
        return self._seen

    def step(self, timeout_s: float = 0.2) -> None:
        """Copy what comes within about the timeout. Raises Unavailable (it can be called again: nothing is skipped) and Fault."""
        found = self._source.consume(_RECORDS, timeout_s)
        if messages := [message for message in found if message.error() is None]:
            self._copy(messages)
        for message in found:
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                self._seen = max(self._seen, message.offset() or 0)
            elif error is not None:
                with speaking(self._out.brokers):
                    raise KafkaException(error)

    def tick(self, now: datetime) -> int:
        """Tell every hour that has begun since the last one told, only the present one at first; return how many."""
        present = (now - EPOCH) // HOUR
        first = present if self._hour is None else self._hour + 1
        if first > present:
            return 0
        self._send([tick(number) for number in range(first, present + 1)])
        self._keep(self._next, present)
        return present + 1 - first

    def _copy(self, messages: Sequence[Message]) -> None:
        raw = [(m.offset() or 0, m.timestamp()[1], m.key(), m.value()) for m in messages]
        try:
            batch = self._reader.read(Records.of(MODEL_VERSIONS.name, 0, raw))
            self._send(copies(batch))
            for letter in batch.letters:
                self._set_aside(batch.records, letter)
            self._keep(raw[-1][0] + 1, self._hour)
        except Unavailable:
            self._go_to_next()
            raise

    def _send(self, controls: Sequence[Control]) -> None:
        if controls:
            columns = Columns.of(controls)
            for topic in self._facts:
                values = encode(columns, self._ids(Control, topic)).raws()
                for control, value in zip(controls, values, strict=True):
                    self._copied(topic.name, self._out.put_in_all(topic.name, value or b"", control.series.encode()))

    def _set_aside(self, records: Records, letter: Letter) -> None:
        dead = dead_letter(records, letter)
        (value,) = encode(Columns.of([dead]), self._ids(DeadLetter, DeadLetter.topic)).raws()
        self._out.put(DeadLetter.topic.name, value, dead.key.encode())

    def _keep(self, next_: int, hour: int | None) -> None:
        """Wait until everything is confirmed, then move on and keep the position."""
        self._out.flush()
        self._next, self._hour = next_, hour
        self._seen = max(self._seen, next_)
        if (next_, hour) != self._kept:
            place = TopicPartition(MODEL_VERSIONS.name, 0, next_, "" if hour is None else str(hour))
            with speaking(self._out.brokers):
                self._source.commit(offsets=[place], asynchronous=False)
            self._kept = (next_, hour)


def relay_once(relay: Relay, *, clock: Callable[[], float], within_s: float = 60.0) -> int:
    """Copy everything up to now and return how far that is. clock: seconds from anywhere. Raises Unavailable if it took too long."""
    end, deadline = relay.end(), clock() + within_s
    while relay.seen < end:
        if clock() > deadline:
            raise Unavailable(f"{MODEL_VERSIONS.name} was copied up to {relay.seen} of {end} within {within_s:g} s")
        relay.step()
    return relay.seen


def copies(batch: Batch) -> list[Control]:
    """Return the control records of what was promoted, in order: number is the offset plus one, time that of the change."""
    changes = list(batch.of(ModelVersionChanged).rows())
    offsets = batch.offsets[batch.order(ModelVersionChanged)].tolist()
    return [_control(change, offset) for change, offset in zip(changes, offsets, strict=True) if change.stage == "promoted"]


def _control(change: ModelVersionChanged, offset: int) -> Control:
    return Control(
        event_id=_id(Control, change.event_id),
        at=change.at,
        series=MODEL_VERSIONS.name,
        number=offset + 1,
        kind="model",
        name=change.model,
        value=change.sha256,
    )


def tick(number: int) -> Control:
    """Return the tick of an hour, numbered from 1970-01-01 UTC: the same record whoever tells it."""
    return Control(
        event_id=f"tick-{HOURS}-{number}",
        at=EPOCH + number * HOUR,
        series=HOURS,
        number=number,
        kind="tick",
        name="hour",
        value="",
    )


def dead_letter(records: Records, letter: Letter) -> DeadLetter:
    """Return a record that is no model version, with its origin and the reason."""
    offset, raw = int(records.offsets[letter.index]), records.values.raw(letter.index)
    origin = f"{records.topic}-{records.partition}-{offset}"
    return DeadLetter(
        event_id=_id(DeadLetter, f"{AGENT} {origin}"),
        at=EPOCH + timedelta(milliseconds=int(records.appended_at[letter.index])),
        cause=origin,
        origin_topic=records.topic,
        origin_partition=records.partition,
        origin_offset=offset,
        agent=AGENT,
        reason=letter.reason,
        detail=letter.detail,
        schema_id=letter.schema_id,
        raw_key=records.keys.raw(letter.index),
        raw_value=None if raw is None else raw[:_LETTER_BYTES],
        size=-1 if raw is None else len(raw),
    )


def _id(event: type[Event], cause: str) -> str:
    return derive_ids(event.__name__, Strings.of([cause]))[0]
