"""How do effects leave? Through one idempotent producer, confirmed by one delivery report per partition.

The producer keeps the order within a partition and never gives a record up, so the report of the last record of a partition
confirms all before it. A thread of its own serves the reports; if it dies, `on_death` is called: no worker stands still in silence.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from streams.engine.processor import Sent


class Receipt:
    """Open until every record handed over with it is confirmed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._open, self._sealed = loop, 0, False
        self.done: asyncio.Future[None] = loop.create_future()
        self.offset = -1

    def expect(self) -> Callable[[KafkaError | None, Message], None]:
        """Return the report to give to the next record that must be confirmed."""
        self._open += 1
        return self._report

    def seal(self) -> None:
        """No more records will come."""
        self._sealed = True
        self._settle()

    def _report(self, error: KafkaError | None, message: Message) -> None:
        self._loop.call_soon_threadsafe(self._reported, error, message.offset())

    def _reported(self, error: KafkaError | None, offset: int | None) -> None:
        self._open -= 1
        self.offset = -1 if offset is None else offset
        if error is not None and not self.done.done():
            self.done.set_exception(RuntimeError(f"Kafka refused an output for good: {error.str()}"))
        self._settle()

    def _settle(self) -> None:
        if self._sealed and self._open == 0 and not self.done.done():
            self.done.set_result(None)


class Outbox:
    """The producer, its thread, and the effects on their way."""

    def __init__(self, producer: Producer, *, loop: asyncio.AbstractEventLoop, on_death: Callable[[BaseException], None]) -> None:
        self._producer, self._loop, self._on_death = producer, loop, on_death
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="outbox", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            while not self._stop.is_set():
                self._producer.poll(0.1)
        except BaseException as death:  # noqa: BLE001 - whatever ends this thread must end the process, loudly
            self._loop.call_soon_threadsafe(self._on_death, death)

    def send(self, sent: Iterable[Sent]) -> Receipt:
        """Hand over encoded events in order; the receipt is done when all are confirmed."""
        receipt = Receipt(self._loop)
        for one in sent:
            keys, values = one.keys.raws(), one.values.raws()
            topic, last = one.topic.name, len(values) - 1
            for i, (key, value) in enumerate(zip(keys, values, strict=True)):
                if one.partition is None:
                    self._produce(topic, value, key, on_delivery=receipt.expect())
                elif i < last:
                    self._produce(topic, value, key, partition=one.partition)
                else:
                    self._produce(topic, value, key, partition=one.partition, on_delivery=receipt.expect())
        receipt.seal()
        return receipt

    def send_raw(self, topic: str, partition: int, values: Iterable[bytes]) -> Receipt:
        """Hand over ready-made records of one partition; the receipt's offset is that of the last."""
        receipt = Receipt(self._loop)
        values = list(values)
        for value in values[:-1]:
            self._produce(topic, value, None, partition=partition)
        self._produce(topic, values[-1], None, partition=partition, on_delivery=receipt.expect())
        receipt.seal()
        return receipt

    def _produce(self, topic: str, value: bytes | None, key: bytes | None, **more: Any) -> None:
        while True:
            try:
                return self._producer.produce(topic, value, key, **more)
            except BufferError:  # the thread is draining it
                time.sleep(0.001)

    def close(self) -> None:
        """Stop the thread; what is unconfirmed will be made again from the log."""
        self._stop.set()
        self._thread.join(2)
        self._producer.flush(0)
