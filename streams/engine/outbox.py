"""How do effects leave? Through one idempotent producer, confirmed by one delivery report per partition.

The producer keeps the order within a partition and never gives a record up, so the report of the last record of a partition
confirms all before it. A thread of its own serves the reports; if it dies, `on_death` is called: no worker stands still in silence.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence

from infra.librdkafka import Producer, Report
from schemas.columns import Strings
from streams.engine.processor import Sent


class Receipt:
    """Open until every record handed over with it is confirmed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self.offset = -1
        self._open, self._sealed = 0, False

    def expect(self, reports: int) -> None:
        """So many more reports must come."""
        self._open += reports

    def seal(self) -> None:
        """No more records will come."""
        self._sealed = True
        self._settle()

    def take(self, report: Report) -> None:
        """Take in one report."""
        self._open -= 1
        self.offset = report.offset
        if report.error is not None and not self.done.done():
            self.done.set_exception(RuntimeError(f"Kafka refused an output for good: {report.error.str()}"))
        self._settle()

    def _settle(self) -> None:
        if self._sealed and self._open == 0 and not self.done.done():
            self.done.set_result(None)


class Outbox:
    """The producer, its thread, and the effects on their way."""

    def __init__(self, producer: Producer, *, loop: asyncio.AbstractEventLoop, on_death: Callable[[BaseException], None]) -> None:
        self._producer, self._loop, self._on_death = producer, loop, on_death
        self._open: dict[int, Receipt] = {}
        self._number = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="outbox", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            while not self._stop.is_set():
                if reports := self._producer.serve(0.1):
                    self._loop.call_soon_threadsafe(self._reported, reports)
        except BaseException as death:  # noqa: BLE001 - whatever ends this thread must end the process, loudly
            self._loop.call_soon_threadsafe(self._on_death, death)

    def _reported(self, reports: Sequence[Report]) -> None:
        for report in reports:
            receipt = self._open.get(report.number)
            if receipt is not None:
                receipt.take(report)
                if receipt.done.done():
                    del self._open[report.number]
            elif report.error is not None:
                self._on_death(RuntimeError(f"Kafka refused an output for good: {report.error.str()}"))

    def _receipt(self) -> tuple[int, Receipt]:
        self._number += 1
        receipt = self._open[self._number] = Receipt(self._loop)
        return self._number, receipt

    def send(self, sent: Iterable[Sent]) -> Receipt:
        """Hand over encoded events in order; the receipt is done when all are confirmed."""
        number, receipt = self._receipt()
        for one in sent:
            by_key = one.partition is None
            receipt.expect(len(one.values) if by_key else 1)
            self._producer.produce(
                one.topic.name, one.values, one.keys, partition=one.partition, number=number, report_all=by_key
            )
        receipt.seal()
        return receipt

    def send_raw(self, topic: str, partition: int, values: Sequence[bytes]) -> Receipt:
        """Hand over ready-made records of one partition; the receipt's offset is that of the last."""
        number, receipt = self._receipt()
        receipt.expect(1)
        self._producer.produce(topic, Strings.of(values), partition=partition, number=number)
        receipt.seal()
        return receipt

    def close(self) -> None:
        """Stop the thread; what is unconfirmed will be made again from the log."""
        self._stop.set()
        self._thread.join(2)
        if not self._thread.is_alive():
            self._producer.close()
