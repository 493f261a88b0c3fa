"""How is a dead letter sent again, once? As it was, or as an event made of it, under its first id; in one transaction with the note of it.

A desk is the only one with its transactional id: whoever begins later ends what an earlier one left open, and shuts him out. So what
is read after `begin` is all there is, and what is sent then is sent by nobody else. A crash anywhere leaves both, the record and
the note of it, or neither.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from infra import kafka
from infra.errors import Fault, Unavailable
from infra.settings import Kafka
from producers.client import Registrar
from schemas import catalogue
from schemas.columns import Columns, Strings, derive_ids, encode
from schemas.control import Control
from schemas.event import Event, Topic
from schemas.letters import DEAD_LETTERS, DeadLetter, LetterDiscarded, LetterRedriven

TRANSACTIONAL_ID = "affluent-letters"
AT_ONCE, AT_ONCE_BYTES = 500, 16_000_000
"""Letters of one transaction, and bytes, at most."""
ANSWER_S = 20.0
OPEN_S = 15.0
"""How long the broker keeps a transaction open whose desk died: so long the agents of that topic may wait, at most."""
_SHUT_OUT = {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}

How = Literal["unchanged", "edited", "redecoded"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resend:
    """What is to be sent for one letter. sent_id: of the event in it, empty if its bytes do not tell; partition -1: the key's own."""

    letter: DeadLetter
    how: How
    sent_id: str
    key: bytes | None
    value: bytes | None
    partition: int


def derived_id(first_letter_id: str) -> str:
    """Return the id of an event whose own cannot be read: it follows from the letter with which its story began."""
    return derive_ids("DeadLetter redriven", Strings.of([first_letter_id]))[0]


def require_whole(letter: DeadLetter) -> None:
    """Raise Fault if the letter does not hold the whole message."""
    kept = len(letter.raw_value or b"")
    if letter.size > kept:
        raise Fault(
            f"letter {letter.event_id}: only {kept:,} of {letter.size:,} bytes were kept, so it cannot be sent again: "
            "send it from where it came from, or give the whole event with --edit"
        )


def unchanged(letter: DeadLetter, *, sent_id: str, is_control: bool) -> Resend:
    """Return the message as it was. Raises Fault if it was not kept whole."""
    require_whole(letter)
    return Resend(letter, "unchanged", sent_id, letter.raw_key, letter.raw_value, _partition(letter, letter.raw_key, is_control))


def as_event(letter: DeadLetter, event: Event, how: How, schema_id: int, *, keys: Sequence[str]) -> Resend:
    """Return an event in place of the message. keys: those it may have, any if there are none. Raises Fault for another key."""
    key = event.series if isinstance(event, Control) else event.key
    if keys and key not in keys:
        field = "series" if isinstance(event, Control) else type(event).topic.key
        raise Fault(
            f"{type(event).__name__}.{field}: expected {' or '.join(map(repr, keys))}, the letter's key, found {key!r}: under another "
            "key it would lie in another place than its neighbours; send it as a new event instead, and discard the letter"
        )
    value = encode(Columns.of([event]), schema_id).raw(0)
    return Resend(letter, how, event.event_id, key.encode(), value, _partition(letter, key.encode(), isinstance(event, Control)))


def _partition(letter: DeadLetter, key: bytes | None, is_control: bool) -> int:
    # Without a key, and as a copy of a control record, a message belongs to its partition and not to a key.
    return letter.origin_partition if not key or is_control else -1


class Dispatcher:
    """Sends letters again and lays them aside, each in a transaction with the note of it. Not for several threads.

    passing: told "begun", "sent", "noted" and "committed" in the course of each transaction; tests stop there.
    """

    def __init__(
        self,
        settings: Kafka,
        registry: Registrar,
        *,
        by: str,
        now: Callable[[], datetime],
        passing: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Shut out whoever had the desk before. by: who we are. Raises Unavailable or Fault."""
        self._by, self._now, self._passing, self._brokers = by, now, passing, settings.brokers
        self._registry, self._ids = registry, dict[tuple[str, type[Event]], int]()
        self._out: Producer = kafka.producer(
            settings,
            **{
                "transactional.id": TRANSACTIONAL_ID,
                "transaction.timeout.ms": int(OPEN_S * 1000),
                "message.timeout.ms": int(OPEN_S * 1000) - 1000,
                "enable.gapless.guarantee": False,  # a transaction that misses a record is not committed at all
            },
        )
        with self._speaking():
            self._out.init_transactions(ANSWER_S)

    def schema_id(self, topic: Topic, event: type[Event]) -> int:
        """Return the id under which the registry knows a class in a topic."""
        if (topic.name, event) not in self._ids:
            subject = catalogue.subject(topic, event)
            self._ids[topic.name, event] = self._registry.register_all({subject: (topic, event)})[subject]
        return self._ids[topic.name, event]

    def send(self, resends: Iterable[Resend], told: Callable[[int], None] = lambda _count: None) -> list[LetterRedriven]:
        """Send each once and return the notes, all committed. told: called with their number so far. Raises Unavailable, Fault."""
        done: list[LetterRedriven] = []
        self.schema_id(DEAD_LETTERS, LetterRedriven)  # asked before anything is open, for an open transaction makes agents wait
        for some in _portions(resends, lambda resend: len(resend.value or b"")):
            with self._transaction():
                places = self._produce([(r.letter.origin_topic, r.partition, r.key, r.value) for r in some])
                self._passing("sent")
                notes = [self._redriven(resend, place) for resend, place in zip(some, places, strict=True)]
                self._note(notes)
            done += notes
            told(len(done))
        return done

    def discard(self, letters: Iterable[tuple[str, str]], why: str) -> list[LetterDiscarded]:
        """Lay letters aside, named by origin topic and id, and return the notes."""
        at = self._now()
        self.schema_id(DEAD_LETTERS, LetterDiscarded)
        notes = [
            LetterDiscarded(
                event_id=derive_ids("LetterDiscarded", Strings.of([id_]))[0], at=at, cause=id_, origin_topic=topic, by=self._by, why=why
            )
            for topic, id_ in letters
        ]  # fmt: skip
        for some in _portions(notes):
            with self._transaction():
                self._note(some)
        return notes

    def _redriven(self, resend: Resend, place: tuple[int, int]) -> LetterRedriven:
        letter = resend.letter
        return LetterRedriven(
            event_id=derive_ids("LetterRedriven", Strings.of([letter.event_id]))[0],
            at=self._now(),
            cause=letter.event_id,
            origin_topic=letter.origin_topic,
            by=self._by,
            how=resend.how,
            sent_id=resend.sent_id,
            sent_partition=place[0],
            sent_offset=place[1],
        )

    def _note(self, notes: Sequence[LetterRedriven] | Sequence[LetterDiscarded]) -> None:
        values = encode(Columns.of(notes), self.schema_id(DEAD_LETTERS, type(notes[0]))).raws()
        self._produce([(DEAD_LETTERS.name, -1, note.key.encode(), value) for note, value in zip(notes, values, strict=True)])
        self._passing("noted")

    def _produce(self, records: Sequence[tuple[str, int, bytes | None, bytes | None]]) -> list[tuple[int, int]]:
        """Send records and return where each lies: partition and offset."""
        places: dict[int, tuple[int, int]] = {}
        errors: list[KafkaError] = []

        def reported(number: int) -> Callable[[KafkaError | None, Message], None]:
            def report(error: KafkaError | None, message: Message) -> None:
                if error is not None:
                    errors.append(error)
                else:
                    places[number] = int(message.partition() or 0), int(message.offset() or 0)

            return report

        for number, (topic, partition, key, value) in enumerate(records):
            chosen: Mapping[str, Any] = {} if partition < 0 else {"partition": partition}
            self._out.produce(topic, value, key, on_delivery=reported(number), **chosen)
        left = self._out.flush(ANSWER_S)
        if errors:
            raise KafkaException(errors[0])
        if left:
            raise Unavailable(f"Kafka at {self._brokers} is away: it did not confirm {left} records within {ANSWER_S:g} s")
        return [places[number] for number in range(len(records))]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._speaking():
            self._out.begin_transaction()
            self._passing("begun")
            try:
                yield
            except BaseException:
                self._abort()
                raise
            self._commit()
            self._passing("committed")

    def _commit(self) -> None:
        for last in (False, False, True):
            try:
                self._out.commit_transaction(ANSWER_S)
                break
            except KafkaException as raised:
                error = raised.args[0]
                if error.txn_requires_abort():
                    self._abort()
                if last or not error.retriable():
                    raise

    def _abort(self) -> None:
        try:
            self._out.abort_transaction(ANSWER_S)
        except KafkaException:
            return  # the broker does it, when its time is up or when the next desk begins

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            with kafka.speaking(self._brokers):
                try:
                    yield
                except KafkaException as raised:
                    if raised.args[0].code() in _SHUT_OUT:
                        raise Fault(
                            "another `affluent letters` began meanwhile and took over; what was not yet committed was not sent: look at "
                            "`affluent letters list`, then run this again"
                        ) from raised
                    raise
        except Unavailable as away:
            raise Unavailable(f"{away}; run it again: no letter is sent twice") from away


def _portions(items: Iterable[T], size: Callable[[T], int] = lambda _item: 0) -> Iterator[list[T]]:
    some: list[T] = []
    octets = 0
    for item in items:
        some.append(item)
        octets += size(item)
        if len(some) == AT_ONCE or octets > AT_ONCE_BYTES:
            yield some
            some, octets = [], 0
    if some:
        yield some
