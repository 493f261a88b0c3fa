"""Which functions of librdkafka do we call? Those of its public C interface, declared here once.

The library is the one that confluent-kafka ships inside its wheel, or the system's where confluent-kafka was built from source.
"""

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import confluent_kafka
import numpy as np
from confluent_kafka import KafkaError, KafkaException

from infra.errors import Fault

CONSUMER, PRODUCER = 1, 0
NO_OFFSET = -1001
EVENT_DELIVERED, EVENT_LOG, EVENT_ERROR = 0x1, 0x4, 0x8
F_COPY = 0x2
ANY_PARTITION = -1
ASSIGN, REVOKE = -175, -174
ERRSTR = 512

MESSAGE = np.dtype(
    [("err", "i4"), ("topic", "u8"), ("partition", "i4"), ("payload", "u8"), ("len", "u8"), ("key", "u8"), ("key_len", "u8"),
     ("offset", "i8"), ("private", "u8")], align=True,
)  # fmt: skip
"""`rd_kafka_message_t`, part of the library's stable interface."""


class TopicPartition(Structure):
    """`rd_kafka_topic_partition_t`."""

    _fields_ = (
        ("topic", c_char_p), ("partition", c_int32), ("offset", c_int64), ("metadata", c_void_p), ("metadata_size", c_size_t),
        ("opaque", c_void_p), ("err", c_int), ("private", c_void_p),
    )  # fmt: skip


class TopicPartitions(Structure):
    """`rd_kafka_topic_partition_list_t`."""

    _fields_ = (("count", c_int), ("size", c_int), ("elements", POINTER(TopicPartition)))


_LIST = POINTER(TopicPartitions)
REBALANCED = CFUNCTYPE(None, c_void_p, c_int, _LIST, c_void_p)
LOGGED = CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_char_p)
FAILED = CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_void_p)

_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "conf_new": (c_void_p, ()),
    "conf_set": (c_int, (c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)),
    "conf_destroy": (None, (c_void_p,)),
    "conf_set_events": (None, (c_void_p, c_int)),
    "conf_set_rebalance_cb": (None, (c_void_p, REBALANCED)),
    "conf_set_log_cb": (None, (c_void_p, LOGGED)),
    "conf_set_error_cb": (None, (c_void_p, FAILED)),
    "new": (c_void_p, (c_int, c_void_p, c_char_p, c_size_t)),
    "destroy": (None, (c_void_p,)),
    "err2str": (c_char_p, (c_int,)),
    "fatal_error": (c_int, (c_void_p, c_char_p, c_size_t)),
    "set_log_queue": (c_int, (c_void_p, c_void_p)),
    "queue_get_main": (c_void_p, (c_void_p,)),
    "queue_get_consumer": (c_void_p, (c_void_p,)),
    "queue_destroy": (None, (c_void_p,)),
    "queue_poll": (c_void_p, (c_void_p, c_int)),
    "poll_set_consumer": (c_int, (c_void_p,)),
    "subscribe": (c_int, (c_void_p, _LIST)),
    "assign": (c_int, (c_void_p, _LIST)),
    "incremental_assign": (c_void_p, (c_void_p, _LIST)),
    "incremental_unassign": (c_void_p, (c_void_p, _LIST)),
    "assignment_lost": (c_int, (c_void_p,)),
    "assignment": (c_int, (c_void_p, POINTER(_LIST))),
    "consumer_close": (c_int, (c_void_p,)),
    "consume_batch_queue": (c_int64, (c_void_p, c_int, c_void_p, c_size_t)),
    "commit": (c_int, (c_void_p, _LIST, c_int)),
    "committed": (c_int, (c_void_p, _LIST, c_int)),
    "position": (c_int, (c_void_p, _LIST)),
    "query_watermark_offsets": (c_int, (c_void_p, c_char_p, c_int32, POINTER(c_int64), POINTER(c_int64), c_int)),
    "get_watermark_offsets": (c_int, (c_void_p, c_char_p, c_int32, POINTER(c_int64), POINTER(c_int64))),
    "topic_partition_list_new": (_LIST, (c_int,)),
    "topic_partition_list_add": (POINTER(TopicPartition), (_LIST, c_char_p, c_int32)),
    "topic_partition_list_destroy": (None, (_LIST,)),
    "topic_new": (c_void_p, (c_void_p, c_char_p, c_void_p)),
    "topic_name": (c_char_p, (c_void_p,)),
    "topic_destroy": (None, (c_void_p,)),
    "produce_batch": (c_int, (c_void_p, c_int32, c_int, c_void_p, c_int)),
    "purge": (c_int, (c_void_p, c_int)),
    "outq_len": (c_int, (c_void_p,)),
    "event_type": (c_int, (c_void_p,)),
    "event_destroy": (None, (c_void_p,)),
    "event_message_array": (c_size_t, (c_void_p, c_void_p, c_size_t)),
    "event_error_string": (c_char_p, (c_void_p,)),
    "event_log": (c_int, (c_void_p, POINTER(c_char_p), POINTER(c_char_p), POINTER(c_int))),
    "error_code": (c_int, (c_void_p,)),
    "error_string": (c_char_p, (c_void_p,)),
    "error_destroy": (None, (c_void_p,)),
    "message_destroy": (None, (c_void_p,)),
    "message_timestamp": (c_int64, (c_void_p, POINTER(c_int))),
}


class Library:
    """The functions by their names without `rd_kafka_`."""

    def __init__(self, path: str) -> None:
        loaded = ctypes.CDLL(path)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(loaded, f"rd_kafka_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        """Only for the type checker: every function is set by then."""
        raise AttributeError(name)

    def address(self, name: str) -> int:
        """Where a function lies, for compiled code that calls it."""
        return ctypes.cast(getattr(self, name), c_void_p).value or 0

    def check(self, code: int, what: str) -> None:
        """Raise KafkaException unless the code is 0."""
        if code:
            raise failure(code, f"{what}: {self.err2str(code).decode()}")

    def check_error(self, error: int | None, what: str) -> None:
        """Raise KafkaException if there is an `rd_kafka_error_t`; free it."""
        if error:
            code, text = self.error_code(error), self.error_string(error).decode()
            self.error_destroy(error)
            raise failure(code, f"{what}: {text}")


def failure(code: int, text: str, *, fatal: bool = False) -> KafkaException:
    """Return what confluent-kafka would raise."""
    return KafkaException(KafkaError(code, text, fatal))


@cache
def library() -> Library:
    """Return the library, loaded once. Raises Fault if it cannot be found."""
    beside = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    shipped = sorted(beside.glob("librdkafka*.so*"))
    for path in (*map(str, shipped), "librdkafka.so.1", "librdkafka.1.dylib"):
        try:
            return Library(path)
        except OSError:
            continue
    raise Fault(f"librdkafka was not found in {beside}, nor on the system: install confluent-kafka as a wheel, or librdkafka")
