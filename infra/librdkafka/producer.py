"""How do columns leave? As arrays of message heads that point into our buffers; librdkafka copies what they point to.

Reports come back in bulk: only failures, and messages that were given a number, are looked at.
"""

import time
from collections.abc import Callable, Mapping
from ctypes import byref, c_char_p, c_int
from dataclasses import dataclass
from typing import Any

import numpy as np
from confluent_kafka import KafkaError

from infra.librdkafka import memory
from infra.librdkafka.handle import Handle
from infra.librdkafka.library import (
    ANY_PARTITION,
    EVENT_DELIVERED,
    EVENT_ERROR,
    EVENT_LOG,
    F_COPY,
    MESSAGE,
    PRODUCER,
    failure,
    library,
)
from schemas.columns import Strings

FULL_S = 0.001
REPORTS = 8192
QUEUE = {"queue.buffering.max.messages": 2_000_000, "queue.buffering.max.kbytes": 1_048_576}
"""The engine bounds what is under way by records read; the client's own bound must not be met first."""


_KEYLESS = Strings.of([])


@dataclass(frozen=True)
class Report:
    """One delivery that was asked for. number: as given to `produce`; error: None if it was delivered, at this offset."""

    number: int
    offset: int
    error: KafkaError | None = None


class Producer:
    """A producer of columns. `produce` in one thread, `serve` in another."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._handle = Handle(PRODUCER, {**QUEUE, **settings}, events=EVENT_DELIVERED | EVENT_ERROR | EVENT_LOG)
        self._library = library()
        self._queue: int | None = self._library.queue_get_main(self._handle.pointer)
        self._topics: dict[str, int] = {}
        self._messages, self._errors, self._numbers, self._offsets = (np.zeros(REPORTS, np.int64) for _ in range(4))

    def __len__(self) -> int:
        """How many messages are not reported yet."""
        return int(self._library.outq_len(self._handle.pointer)) if self._handle.pointer else 0

    def produce(
        self, topic: str, values: Strings, keys: Strings | None = None, *, partition: int | None = None, number: int = 0,
        report_all: bool = False, pause: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        """Hand over records of one topic in order; waits while the client's queue is full.

        partition: None is by key. number: what the report of the last record, or of all, will carry; 0 asks for none.
        Raises KafkaException if a record is refused, such as one that is too large.
        """
        n, known = len(values), keys or _KEYLESS
        heads = np.empty(n, MESSAGE)
        address = memory.point(
            heads.view(np.int64).reshape(n, memory.WORDS), values.data, values.start, values.length, known.data, known.start, known.length,
            number, report_all,
        )  # fmt: skip
        at, where = 0, ANY_PARTITION if partition is None else partition
        while True:
            at += self._library.produce_batch(self._topic(topic), where, F_COPY, address + at * MESSAGE.itemsize, n - at)
            if at == n:
                return
            code = int(heads["err"][at])
            if code != KafkaError._QUEUE_FULL:
                raise failure(code, f"{topic}: a record of {int(heads['len'][at])} bytes: {self._library.err2str(code).decode()}")
            pause(FULL_S)

    def _topic(self, name: str) -> int:
        if name not in self._topics:
            made = self._library.topic_new(self._handle.pointer, name.encode(), None)
            if not made:
                raise failure(KafkaError._INVALID_ARG, f"topic {name!r} cannot be written to")
            self._topics[name] = made
        return self._topics[name]

    def serve(self, wait_s: float) -> list[Report]:
        """Wait for what the client has to tell and return the reports that were asked for, and all failures.

        Raises KafkaException when the client has failed for good.
        """
        found: list[Report] = []
        event = self._library.queue_poll(self._queue, int(wait_s * 1000))
        while event:
            try:
                self._take(event, self._library.event_type(event), found)
            finally:
                self._library.event_destroy(event)
            event = self._library.queue_poll(self._queue, 0)
        return found

    def _take(self, event: int, kind: int, found: list[Report]) -> None:
        if kind == EVENT_DELIVERED:
            while n := self._library.event_message_array(event, self._messages.ctypes.data, REPORTS):
                picked = memory.reported(self._messages, n, self._errors, self._numbers, self._offsets)
                for code, number, offset in zip(
                    self._errors[:picked].tolist(), self._numbers[:picked].tolist(), self._offsets[:picked].tolist(), strict=True
                ):
                    error = KafkaError(code, self._library.err2str(code).decode()) if code else None
                    found.append(Report(number, offset, error))
        elif kind == EVENT_ERROR:
            fatal, why = self._handle.fatal()
            if fatal:
                raise failure(fatal, why, fatal=True)
            self._handle.say(4, "ERROR", (self._library.event_error_string(event) or b"").decode(errors="replace"))
        elif kind == EVENT_LOG:
            self._log(event)

    def _log(self, event: int) -> None:
        facility, line, level = c_char_p(), c_char_p(), c_int()
        if not self._library.event_log(event, byref(facility), byref(line), byref(level)):
            said = ((text.value or b"").decode(errors="replace") for text in (facility, line))
            self._handle.say(level.value, *said)

    def close(self) -> None:
        """Free the client at once; what is not delivered by now is given up."""
        if self._queue is None:
            return
        self._library.purge(self._handle.pointer, 0x1 | 0x2)
        self._library.queue_destroy(self._queue)
        self._queue = None
        for topic in self._topics.values():
            self._library.topic_destroy(topic)
        self._topics.clear()
        self._handle.destroy()
