"""What is sent for these dead letters, and what would become of it? The bytes as they were, or an event made of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from infra.errors import Fault

if TYPE_CHECKING:
    from consumers.letters import Entry, Letters
    from infra.registry import Registry
    from infra.settings import Settings
    from producers.redrive import Resend
    from schemas.event import Event, Topic
    from schemas.letters import DeadLetter

Record = tuple[bytes | None, bytes | None]
"""Key and value."""


class World:
    """The desk, and what it needs to reach the servers."""

    def __init__(self, settings: "Settings", registry: "Registry") -> None:
        from consumers.letters import Desk

        self.settings, self.registry = settings, registry
        self.desk = Desk(settings.kafka, registry)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection to the registry."""
        self.registry.close()

    def refusals(self, letters: "Sequence[DeadLetter]", records: Sequence[Record] | None = None) -> list[str | None]:
        """Return why this release could not read each of these letters, or the records sent for them; None where it could."""
        from schemas import catalogue
        from schemas.columns import Reader, Records

        found: list[str | None] = []
        readers: dict[str, Reader] = {}
        sent = [(letter.raw_key, letter.raw_value) for letter in letters] if records is None else records
        for letter, (key, value) in zip(letters, sent, strict=True):
            topic = catalogue.topics().get(letter.origin_topic)
            if topic is None:
                found.append(f"this release knows no topic {letter.origin_topic}")
                continue
            reader = readers.setdefault(topic.name, Reader(topic, self.registry))
            bad = reader.read(Records.of(topic.name, letter.origin_partition, [(0, 0, key, value)])).letters
            found.append(f"{bad[0].reason}: {bad[0].detail}" if bad else None)
        return found


class Plan:
    """What is to be sent, and why some of it cannot be.

    schema: the event that the bytes hold. values: fields of an edited event. With neither, the bytes are sent as they were.
    """

    def __init__(self, world: World, schema: str | None, values: Mapping[str, Any] | None) -> None:
        from infra import kafka

        self._world, self._schema, self._values = world, schema, values
        self._partitions = kafka.partitions(world.settings.kafka)
        self._ids: dict[str, int] = {}
        self.problems: list[dict[str, str]] = []

    def require(self, letters: "Letters", entries: "Sequence[Entry]") -> None:
        """Raise Fault if one of them cannot be sent."""
        for _ in self.resends(letters, entries):
            pass
        if self.problems:
            raise Fault(self.problems[0]["why"])

    def resends(self, letters: "Letters", entries: "Sequence[Entry]") -> "Iterator[Resend]":
        """Yield what is to be sent, once for each message; what cannot be sent goes to `problems`."""
        self.problems.clear()
        seen = set()
        for letter in self._world.desk.whole(entries):
            entry = letters.entries[letter.event_id]
            if entry.origin in seen:  # two agents could not use it: it is one message
                continue
            seen.add(entry.origin)
            try:
                yield self._resend(letter, letters.first(entry).id)
            except Fault as fault:
                self.problems.append({"letter": letter.event_id, "why": str(fault)})

    def _resend(self, letter: "DeadLetter", first_id: str) -> "Resend":
        from producers.mending import edited, open_letter, redecoded, topic_of
        from producers.redrive import as_event, unchanged

        count = self._partitions.get(letter.origin_topic, 0)
        if letter.origin_partition >= count:
            raise Fault(
                f"letter {letter.event_id}: it came from partition {letter.origin_partition} of {letter.origin_topic}, "
                f"which has {count} partitions now"
            )
        registry = self._world.registry
        opened = open_letter(letter, registry)
        if self._values is None and self._schema is None:
            return unchanged(letter, sent_id=opened.own_id, is_control=opened.is_control)
        if self._schema is not None and (self._values is None or opened.read is None):
            opened = open_letter(letter, registry, self._schema)
        if self._values is not None:
            event = edited(opened, self._values, self._schema, first_id)
            return as_event(letter, event, "edited", self._id(topic_of(letter), type(event)), keys=opened.keys())
        event = redecoded(opened, str(self._schema), first_id)
        return as_event(letter, event, "redecoded", self._id(topic_of(letter), type(event)), keys=opened.keys())

    def _id(self, topic: "Topic", event: "type[Event]") -> int:
        from schemas import catalogue

        subject = catalogue.subject(topic, event)
        if subject not in self._ids:
            self._ids |= self._world.registry.register_all({subject: (topic, event)})
        return self._ids[subject]
