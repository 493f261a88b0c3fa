"""What do tests of sinks stand on? A database of their own, stretches made of events, and topics in the stack's Kafka."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import psycopg
from prometheus_client import CollectorRegistry

from consumers import migrations
from consumers.history import History
from consumers.stretch import Stretch, stretch
from consumers.tables import HISTORY, LETTERS
from infra.metrics import SinkMetrics
from infra.stack import StackState
from schemas import avro, catalogue
from schemas.columns import Columns, Reader, encode
from schemas.columns.records import Message
from schemas.event import Event, Topic

CLASSES = tuple(sorted(HISTORY, key=lambda event: event.__name__))
"""A class's schema id in these tests is its place here."""
NOW_S = 1_800_000_000.0


def schema(schema_id: int) -> Mapping[str, Any] | None:
    """Return the schema of an id, as a registry would."""
    return avro.schema(CLASSES[schema_id]) if schema_id < len(CLASSES) else None


def wire(event: Event) -> tuple[bytes, bytes]:
    """Return the event's key and value as they lie in Kafka."""
    return next(wires([event]))


def wires(events: Sequence[Event]) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of events of one class."""
    values = encode(Columns.of(events), CLASSES.index(type(events[0]))).raws()
    for event, value in zip(events, values, strict=True):
        yield event.key.encode() if hasattr(event, "topic") else b"any", value or b""


def said(topic: Topic, events: Sequence[Event], *, partition: int = 0, start: int = 0) -> Stretch:
    """Return events as the stretch that they would be in the log of a topic."""
    return raw(topic, [wire(event) for event in events], partition=partition, start=start)


def raw(topic: Topic, records: Sequence[tuple[bytes | None, bytes | None]], *, partition: int = 0, start: int = 0) -> Stretch:
    """Return raw records as a stretch."""
    messages: list[Message] = [(start + i, 1_700_000_000_000 + i, key, value) for i, (key, value) in enumerate(records)]
    holds = (*catalogue.holds(topic),) if topic in catalogue.topics().values() else CLASSES
    return stretch(Reader(topic, schema, holds=holds), [(partition, start, messages)])


@contextmanager
def new_database(stack: StackState) -> Iterator[str]:
    """Give a database with our tables, and drop it afterwards."""
    name = f"sink_{uuid4().hex[:12]}"
    with psycopg.connect(stack.postgres_dsn, autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}")
        dsn = stack.postgres_dsn.rpartition("/")[0] + f"/{name}"
        try:
            migrations.migrate(dsn)
            yield dsn
        finally:
            session.execute(f"DROP DATABASE {name} WITH (FORCE)")


def history(dsn: str, sink: str = "sink") -> History:
    """Return a store that knows partitions 0 to 3 of every topic of the catalogue."""
    made = History(dsn, sink=sink, metrics=SinkMetrics(CollectorRegistry()), now=lambda: NOW_S)
    made.offsets([(name, partition) for name in catalogue.topics() for partition in range(4)])
    return made


def contents(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every history table and of the letters."""
    with psycopg.connect(dsn) as session:
        return {
            table.name: sorted(session.execute(f"SELECT * FROM {table.name}").fetchall(), key=repr)
            for table in (*HISTORY.values(), LETTERS)
        }


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    """Return the answer to a query."""
    with psycopg.connect(dsn) as session:
        return session.execute(query).fetchall()


def eventually(true: Callable[[], bool], patience_s: float = 90.0) -> None:
    """Return as soon as something is true; fail if it never is."""
    tick = threading.Event()
    for _ in range(int(patience_s / 0.1)):
        if true():
            return
        tick.wait(0.1)
    raise AssertionError("it never happened")


class Gate:
    """A door before a server that can be shut: connections break, and new ones are refused until it opens."""

    def __init__(self, host: str, port: int) -> None:
        """host, port: of the server behind it."""
        self._behind = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open, self._pairs = True, list[socket.socket]()
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """Break every connection."""
        self._open = False
        for each in self._pairs:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def open(self) -> None:
        """Let connections through again."""
        self._open = True

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if not self._open:
                near.close()
                continue
            far = socket.create_connection(self._behind)
            self._pairs += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
