"""How are records read as columns? The client's messages are fetched by the thousand and copied by compiled code.

One thread at a time may use a consumer; its callbacks run in the thread that calls `fetch`.
"""

import ctypes
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import byref, c_int64
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from confluent_kafka import KafkaError

from infra.librdkafka import memory
from infra.librdkafka.handle import Handle
from infra.librdkafka.library import ASSIGN, CONSUMER, MESSAGE, NO_OFFSET, REVOKE, TopicPartitions, failure, library
from schemas.columns import Records, Strings

Place = tuple[str, int]
"""Topic and partition."""
Watch = Callable[[list[Place]], None]


@dataclass
class Fetched:
    """What one call brought. ends: partitions read to their end, and the offset that comes next; errors: as the client told them."""

    records: list[Records] = field(default_factory=list)
    ends: dict[Place, int] = field(default_factory=dict)
    errors: list[KafkaError] = field(default_factory=list)
    count: int = 0


class Consumer:
    """A consumer of columns. Settings as for confluent-kafka's; `enable.partition.eof` tells the ends."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._on_assign: Watch = lambda _places: None
        self._on_revoke: Watch = lambda _places: None
        self._on_lost: Watch = lambda _places: None
        self._raised: BaseException | None = None
        self._broken = False
        self._ends: dict[Place, int] = {}
        self._handle = Handle(CONSUMER, settings, rebalanced=self._rebalanced)
        self._library = library()
        self._library.poll_set_consumer(self._handle.pointer)
        self._queue: int | None = self._library.queue_get_consumer(self._handle.pointer)
        self._timestamp = self._library.address("message_timestamp")
        self._destroy = self._library.address("message_destroy")
        self._room(1024)

    def _room(self, n: int) -> None:
        """Make scratch memory for n messages."""
        self._messages = np.zeros(n, np.int64)
        self._group, self._partitions = np.zeros(n, np.int32), np.zeros(n, np.int32)
        self._topics, self._counts, self._sizes = (np.zeros(n, np.int64) for _ in range(3))
        self._scratch = np.zeros(1, np.int64)

    def subscribe(self, topics: Iterable[str], *, on_assign: Watch, on_revoke: Watch, on_lost: Watch) -> None:
        """Join the group; on_assign must call `incremental_assign`, the others `incremental_unassign`."""
        self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost
        with _list({(topic, -1): NO_OFFSET for topic in topics}) as places:
            self._library.check(self._library.subscribe(self._handle.pointer, places), "subscribe")

    def _rebalanced(self, client: int, code: int, places: Any, _opaque: int) -> None:
        ours = list(_read(places))
        try:
            if code == ASSIGN:
                self._on_assign(ours)
            elif code == REVOKE and self._library.assignment_lost(client):
                self._on_lost(ours)
            elif code == REVOKE:
                self._on_revoke(ours)
            else:
                raise failure(code, self._library.err2str(code).decode())
        except BaseException as error:  # noqa: BLE001 - C cannot carry it: `fetch` raises it
            self._raised, self._broken = self._raised or error, True

    def fetch(self, most: int, wait_s: float) -> Fetched:
        """Return what is there, up to `most` records; if nothing is, wait. Raises what a callback raised."""
        if most > len(self._messages):
            self._room(most)
        n = self._take(0, 1, wait_s)
        if n:
            n += self._take(1, most - 1, 0)
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        return self._columns(n) if n else Fetched()

    def _take(self, at: int, most: int, wait_s: float) -> int:
        address = self._messages.ctypes.data + 8 * at
        got = int(self._library.consume_batch_queue(self._queue, int(wait_s * 1000), address, most))
        return max(got, 0)

    def _columns(self, n: int) -> Fetched:
        groups = memory.sort_out(self._messages, n, self._topics, self._partitions, self._group, self._counts, self._sizes)
        found = Fetched()
        for i in np.flatnonzero(self._group[:n] < 0).tolist():
            self._tell(int(self._messages[i]), found)
        counts, sizes = self._counts[:groups], self._sizes[:groups]
        rows, octets = np.cumsum(counts), np.cumsum(sizes)
        total = int(rows[-1]) if groups else 0
        data = np.empty(int(octets[-1]) if groups else 0, np.uint8)
        offsets, appended, place = (np.empty(total, np.int64) for _ in range(3))
        key_length, value_length = np.empty(total, np.int32), np.empty(total, np.int32)
        names = [self._library.topic_name(topic).decode() for topic in self._topics[:groups].tolist()]
        memory.gather(
            self._messages, n, self._group, rows - counts, octets - sizes, data.ctypes.data, self._timestamp, self._scratch,
            offsets, appended, key_length, place, value_length, self._destroy,
        )  # fmt: skip
        values = place + np.maximum(key_length, 0)
        for g, name in enumerate(names):
            mine = slice(int(rows[g] - counts[g]), int(rows[g]))
            first = int(octets[g] - sizes[g])
            part = data[first : int(octets[g])]
            keys = Strings(part, place[mine] - first, key_length[mine])
            found.records.append(
                Records(
                    name, int(self._partitions[g]), offsets[mine], appended[mine], keys,
                    Strings(part, values[mine] - first, value_length[mine]),
                )
            )  # fmt: skip
        found.count = total
        return found

    def _tell(self, address: int, found: Fetched) -> None:
        """Take in a message that is an error, and free it."""
        told = np.frombuffer(ctypes.string_at(address, MESSAGE.itemsize), MESSAGE)[0]
        code = int(told["err"])
        if code == KafkaError._PARTITION_EOF:
            name = self._library.topic_name(int(told["topic"])).decode()
            found.ends[name, int(told["partition"])] = self._ends[name, int(told["partition"])] = int(told["offset"])
        else:
            text = ctypes.string_at(int(told["payload"]), int(told["len"])).decode(errors="replace") if told["payload"] else ""
            fatal, why = self._handle.fatal()
            found.errors.append(KafkaError(fatal or code, why if fatal else text, bool(fatal)))
        self._library.message_destroy(address)

    def assign(self, places: Mapping[Place, int]) -> None:
        """Read these partitions from these offsets on, without a group; none ends it."""
        with _list(places) as wanted:
            self._library.check(self._library.assign(self._handle.pointer, wanted if places else None), "assign")

    def incremental_assign(self, places: Mapping[Place, int]) -> None:
        """Add partitions of the group, from these offsets on."""
        with _list(places) as wanted:
            self._library.check_error(self._library.incremental_assign(self._handle.pointer, wanted), "assign")

    def incremental_unassign(self, places: Iterable[Place]) -> None:
        """Give partitions of the group up."""
        with _list(dict.fromkeys(places, NO_OFFSET)) as wanted:
            self._library.check_error(self._library.incremental_unassign(self._handle.pointer, wanted), "unassign")

    def commit(self, offsets: Mapping[Place, int], *, wait: bool) -> None:
        """Commit the group's offsets. Raises KafkaException if waiting and they are refused."""
        with _list(offsets) as wanted:
            self._library.check(self._library.commit(self._handle.pointer, wanted, not wait), "commit")

    def committed(self, places: Iterable[Place], timeout_s: float = 15.0) -> dict[Place, int]:
        """Return the group's offsets, negative where it has none. Raises KafkaException."""
        with _list(dict.fromkeys(places, NO_OFFSET)) as asked:
            self._library.check(self._library.committed(self._handle.pointer, asked, int(timeout_s * 1000)), "committed")
            return {place: int(each.offset) for place, each in _elements(asked)}

    def lags(self) -> dict[Place, int]:
        """Return how many records lie beyond what was read in each assigned partition, by the client's own memory."""
        found: dict[Place, int] = {}
        assigned = ctypes.POINTER(TopicPartitions)()
        self._library.check(self._library.assignment(self._handle.pointer, byref(assigned)), "assignment")
        try:
            self._library.position(self._handle.pointer, assigned)
            low, high = c_int64(), c_int64()
            for place, each in _elements(assigned):
                known = self._library.get_watermark_offsets(
                    self._handle.pointer, place[0].encode(), place[1], byref(low), byref(high)
                )
                if not known and high.value >= 0 and each.offset >= 0:
                    # The position stands before the markers of transactions; the end that was told lies behind them.
                    found[place] = max(high.value - max(each.offset, self._ends.get(place, 0)), 0)
        finally:
            self._library.topic_partition_list_destroy(assigned)
        return found

    def bounds(self, topic: str, partition: int, timeout_s: float = 15.0) -> tuple[int, int]:
        """Ask the broker for the first and the next offset of a partition. Raises KafkaException."""
        low, high = c_int64(), c_int64()
        code = self._library.query_watermark_offsets(
            self._handle.pointer, topic.encode(), partition, byref(low), byref(high), int(timeout_s * 1000)
        )
        self._library.check(code, f"offsets of {topic}[{partition}]")
        return low.value, high.value

    def close(self) -> None:
        """Give everything back, leave the group and free the client. Raises what a callback raised.

        After a callback raised the client is left to the end of the process: it would wait for an answer that it never gets.
        """
        if self._queue is None:
            return
        self._library.queue_destroy(self._queue)  # before closing: a queue in use would hold the client open
        self._queue = None
        if self._broken:
            return
        self._library.consumer_close(self._handle.pointer)
        self._handle.destroy()
        if self._raised is not None:
            raise self._raised


@contextmanager
def _list(places: Mapping[Place, int]) -> Iterator[Any]:
    """Lend librdkafka a list of partitions with their offsets."""
    made = library().topic_partition_list_new(max(len(places), 1))
    try:
        for (topic, partition), offset in places.items():
            library().topic_partition_list_add(made, topic.encode(), partition).contents.offset = offset
        yield made
    finally:
        library().topic_partition_list_destroy(made)


def _elements(places: Any) -> Iterator[tuple[Place, Any]]:
    for i in range(places.contents.count):
        each = places.contents.elements[i]
        yield (each.topic.decode(), each.partition), each


def _read(places: Any) -> Iterator[Place]:
    for place, _ in _elements(places):
        yield place
