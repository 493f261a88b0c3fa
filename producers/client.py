"""How does an app publish its facts? Typed, checked before anything is sent, and confirmed by Kafka.

    with Producer("localhost:9092", "http://localhost:8081") as producer:
        producer.send(AssignmentAccepted(...))
        producer.send_dict("DeliveryCompleted", {...})

`send` returns when the event is queued; leaving the block, or `flush`, returns when Kafka has confirmed every one of them, or
raises `Undelivered`. A broker that is away for a while is waited for: the queue is bounded, so `send` waits too.
"""

import io
import struct
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import fastavro
from pydantic import ValidationError

from infra.delivery import Delivery, Outlet, Undelivered
from infra.errors import Fault
from infra.registry import Registry
from infra.settings import Kafka
from producers.check import NotAnEvent, complaint, event_from
from schemas import avro, catalogue
from schemas.control import Control
from schemas.event import Event, Topic

if TYPE_CHECKING:  # an app that sends single events does without numpy and numba
    from producers.chunk import Chunk, Posting

__all__ = ["NotAnEvent", "Producer", "Registrar", "Undelivered"]

PARTING_S = 5.0
"""How long to wait for confirmation when the app is leaving with an error of its own."""


class Registrar(Protocol):
    """What we need of the schema registry."""

    def register_all(self, subjects: Mapping[str, tuple[Topic, type[Event]]], /) -> dict[str, int]:
        """Register each schema and return the ids by subject."""


class Producer:
    """A connection to Kafka for events. Not for several threads at once.

    kafka, registry: addresses, or settings and a client. events: classes that will be sent, registered at once (the facts of
    all domains unless given); any other is registered when it is first sent. patience_s: how long to wait for a broker that
    does not answer, None for ever. on_wait: called with the reason when waiting begins to be long.
    """

    def __init__(
        self,
        kafka: Kafka | str,
        registry: Registrar | str,
        *,
        events: Iterable[type[Event]] | None = None,
        patience_s: float | None = 60.0,
        on_wait: Callable[[str], None] = lambda _: None,
        outlet: Outlet | None = None,
    ) -> None:
        settings = Kafka(brokers=kafka) if isinstance(kafka, str) else kafka
        self._registry: Registrar = Registry(registry) if isinstance(registry, str) else registry
        self._mine = self._registry if isinstance(registry, str) and isinstance(self._registry, Registry) else None
        self._out = Delivery(settings, patience_s=patience_s, on_wait=on_wait, outlet=outlet)
        self._ids: dict[tuple[str, type[Event]], int] = {}
        self._schemas: dict[type[Event], Any] = {}
        facts = (topic for topic in catalogue.topics().values() if topic.facts)
        usual = ((topic, event) for topic in facts for event in catalogue.holds(topic))
        self._admit(usual if events is None else ((event.topic, event) for event in events))

    def __enter__(self) -> Self:
        """Begin to send."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Wait until everything is confirmed. Raises Undelivered; an error of the block itself goes first, and waits less."""
        try:
            self.flush(None if error is None else PARTING_S)
        except Undelivered as undelivered:
            if error is None:
                raise
            error.add_note(str(undelivered))
        finally:
            if self._mine is not None:
                self._mine.close()

    def _admit(self, pairs: Iterable[tuple[Topic, type[Event]]]) -> None:
        """See that the topics exist and register the classes."""
        fresh = {catalogue.subject(topic, event): (topic, event) for topic, event in pairs}
        for topic, _ in fresh.values():
            self._out.partitions(topic.name)
        ids = self._registry.register_all(fresh)
        for subject, (topic, event) in fresh.items():
            self._schemas[event] = fastavro.parse_schema(avro.schema(event))
            self._ids[topic.name, event] = ids[subject]

    def schema_id(self, event: type[Event], topic: Topic | None = None) -> int:
        """Return the id under which the registry knows an event class in a topic, its own unless given."""
        where = topic or event.topic
        if (where.name, event) not in self._ids:
            held = catalogue.holds(where)
            if event not in held:
                names = ", ".join(other.__name__ for other in held) or "nothing of ours"
                raise Fault(f"topic {where.name} does not hold {event.__name__}: it holds {names}")
            self._admit([(where, event)])
        return self._ids[where.name, event]

    def encode(self, event: Event, topic: Topic | None = None) -> bytes:
        """Return the event's bytes on the wire. Raises NotAnEvent if it was built past its class's checks."""
        kind = type(event)
        head = struct.pack(">bI", 0, self.schema_id(kind, topic))
        try:
            kind.__pydantic_validator__.validate_python(event.__dict__, strict=True)
        except ValidationError as error:
            raise NotAnEvent(f"{kind.__name__}.{complaint(error)}") from None
        out = io.BytesIO()
        out.write(head)
        try:
            fastavro.schemaless_writer(out, self._schemas[kind], event.__dict__)
        except (ValueError, TypeError, OverflowError) as error:
            raise NotAnEvent(f"{kind.__name__}: {error}") from error
        return out.getvalue()

    def send(self, event: Event) -> None:
        """Queue one event for its topic, under its own key.

        Raises Undelivered if the queue stays full, and Fault for a control record: that has no topic of its own.
        """
        if isinstance(event, Control):
            raise Fault("a control record goes into every partition of a facts topic: use send_to_all")
        self._out.put(event.topic.name, self.encode(event), event.key.encode())

    def send_many(self, events: Iterable[Event], facts: Topic | None = None) -> int:
        """Queue events in this order and return how many they were; faster than one by one.

        facts: the topic whose partitions get the control records among them. Raises NotAnEvent before any event of its chunk
        (2,000 at most) is queued.
        """
        from producers.chunk import Chunk, posting

        count = 0
        source = iter(events)
        while batch := list(islice(source, 2_000)):
            try:
                ready = posting(Chunk.of(batch), self.schema_id, facts)
            except (NotAnEvent, ValueError, TypeError, OverflowError):
                for event in batch:  # one of them has a value that its class refuses: this names it better
                    self.encode(event, facts if isinstance(event, Control) else None)
                raise
            count += self.post(ready)
        return count

    def prepare(self, chunk: "Chunk", facts: Topic | None = None) -> "Posting":
        """Return a chunk as bytes, ready for `post`. Raises NotAnEvent naming class, field and row."""
        from producers.chunk import posting

        return posting(chunk, self.schema_id, facts)

    def post(self, ready: "Posting", first: int = 0, last: int | None = None) -> int:
        """Queue the events first..last (exclusive) of a posting in order and return how many they were."""
        put, put_in_all, cut = self._out.put, self._out.put_in_all, slice(first, last)
        keys = ready.keys[cut]
        for topic, key, value, everywhere in zip(ready.topics[cut], keys, ready.values[cut], ready.everywhere[cut], strict=True):
            if everywhere:
                put_in_all(topic, value, key)
            else:
                put(topic, value, key)
        return len(keys)

    def send_dict(self, name: str, values: Mapping[str, Any]) -> None:
        """Check a mapping against the event class of that name and queue it. Raises NotAnEvent: the field, expected,
        found.
        """
        self.send(event_from(name, values))

    def send_to_all(self, control: Control, topic: Topic) -> None:
        """Queue a control record for every partition of a facts topic, at this place among what is sent there."""
        self._out.put_in_all(topic.name, self.encode(control, topic), control.series.encode())

    def flush(self, within_s: float | None = None) -> None:
        """Wait until Kafka has confirmed everything. within_s: at most, and at most `patience_s`. Raises Undelivered."""
        self._out.flush(within_s)

    @property
    def sent(self) -> int:
        """How many records were queued, a control record once for each partition."""
        return self._out.sent

    @property
    def pending(self) -> int:
        """How many of them wait for Kafka's confirmation."""
        return self._out.pending
