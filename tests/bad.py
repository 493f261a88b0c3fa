"""What does a message look like that nobody should have sent? Raw (key, value) pairs, each wrong in one way.

`every(schema_id)` gives them all with the reason that their dead letter must have.
"""

import io
import random
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import fastavro

from schemas import avro
from schemas.dispatch import AssignmentAccepted
from schemas.event import Event
from schemas.letters import Reason
from tests.builders import build

MAX_VALUE_BYTES = 1_000_000
LARGE_MESSAGES = {"message.max.bytes": 1_040_000}
"""What a producer needs to be told before it sends `oversized`."""
ABSENT_ID = 2_000_000_000


@dataclass(frozen=True)
class Bad:
    """One message and the reason it must be refused for."""

    name: str
    key: bytes | None
    value: bytes | None
    reason: Reason


def frame(event: Event, schema_id: int, **wrong: Any) -> bytes:
    """Return the event as it lies in Kafka, with fields overwritten by values that its class would refuse."""
    return frame_values(type(event), schema_id, {**event.__dict__, **wrong})


def frame_values(event: type[Event], schema_id: int, values: Mapping[str, Any]) -> bytes:
    """Return any values as a record of the event's schema, framed; only the Avro types are checked."""
    out = io.BytesIO()
    out.write(struct.pack(">bI", 0, schema_id))
    fastavro.schemaless_writer(out, fastavro.parse_schema(avro.schema(event)), values)
    return out.getvalue()


def truncated(event: Event, schema_id: int, cut: int = 5) -> tuple[bytes, bytes]:
    """Return a message whose last bytes are missing."""
    return event.key.encode(), frame(event, schema_id)[:-cut]


def trailing(event: Event, schema_id: int) -> tuple[bytes, bytes]:
    """Return a message with a byte too many."""
    return event.key.encode(), frame(event, schema_id) + b"\x00"


def oversized(event: Event, schema_id: int) -> tuple[bytes, bytes]:
    """Return a message larger than we read, though smaller than the broker takes; send it with LARGE_MESSAGES."""
    good = frame(event, schema_id)
    return event.key.encode(), good + bytes(MAX_VALUE_BYTES + 1 - len(good))


def noise(seed: int, size: int = 200) -> tuple[bytes, bytes]:
    """Return random bytes that do not begin with the framing's zero."""
    chance = random.Random(seed)
    return chance.randbytes(8), bytes([chance.randrange(1, 256)]) + chance.randbytes(size - 1)


def framed_noise(seed: int, schema_id: int, size: int = 200) -> tuple[bytes, bytes]:
    """Return random bytes behind a good frame: the length of the first text runs past the end."""
    return b"noise", struct.pack(">bI", 0, schema_id) + b"\xfe\xff\xff\xff\x0f" + random.Random(seed).randbytes(size)


def empty() -> tuple[bytes, bytes]:
    """Return a message without a byte."""
    return b"empty", b""


def null() -> tuple[bytes, None]:
    """Return a tombstone."""
    return b"null", None


def unknown_schema(event: Event, schema_id: int = ABSENT_ID) -> tuple[bytes, bytes]:
    """Return a message whose schema the registry does not know."""
    return event.key.encode(), frame(event, schema_id)


def not_finite(event: Event, schema_id: int, field: str = "lateness_s", value: float = float("nan")) -> tuple[bytes, bytes]:
    """Return a message with NaN or an infinity in a field."""
    return event.key.encode(), frame(event, schema_id, **{field: value})


def out_of_range(event: Event, schema_id: int, field: str = "lateness_s", value: float = 1e9) -> tuple[bytes, bytes]:
    """Return a message with a number that the field's bounds refuse."""
    return event.key.encode(), frame(event, schema_id, **{field: value})


def at(event: Event, schema_id: int, year: int) -> tuple[bytes, bytes]:
    """Return a message that says it happened in 1900 or 2999."""
    return event.key.encode(), frame(event, schema_id, at=datetime(year, 6, 1, tzinfo=UTC))


def other_key(event: Event, schema_id: int) -> tuple[bytes, bytes]:
    """Return a message filed under another key than its own."""
    return b"another-" + event.key.encode(), frame(event, schema_id)


def broken_text(event: Event, schema_id: int) -> tuple[bytes, bytes]:
    """Return a message whose id is not UTF-8, all lengths being right."""
    good = frame(event, schema_id)
    size = len(event.event_id.encode())
    return event.key.encode(), good[:6] + b"\xff" * size + good[6 + size :]


def every(schema_id: int, event: Event | None = None) -> Iterator[Bad]:
    """Yield one message of each kind. schema_id: that of the event's class, AssignmentAccepted unless given."""
    usual = event or build(AssignmentAccepted)
    yield Bad("truncated", *truncated(usual, schema_id), "malformed")
    yield Bad("a byte too many", *trailing(usual, schema_id), "malformed")
    yield Bad("oversized", *oversized(usual, schema_id), "oversized")
    yield Bad("random bytes", *noise(7), "not_framed")
    yield Bad("random bytes in a frame", *framed_noise(7, schema_id), "malformed")
    yield Bad("empty", *empty(), "empty")
    yield Bad("null", *null(), "null")
    yield Bad("unknown schema id", *unknown_schema(usual), "unknown_schema")
    yield Bad("not a number", *not_finite(usual, schema_id), "not_finite")
    yield Bad("infinite", *not_finite(usual, schema_id, value=float("inf")), "not_finite")
    yield Bad("minus infinite", *not_finite(usual, schema_id, value=float("-inf")), "not_finite")
    yield Bad("out of range", *out_of_range(usual, schema_id), "out_of_range")
    yield Bad("in 1900", *at(usual, schema_id, 1900), "bad_time")
    yield Bad("in 2999", *at(usual, schema_id, 2999), "bad_time")
    yield Bad("under another key", *other_key(usual, schema_id), "bad_key")
    yield Bad("not UTF-8", *broken_text(usual, schema_id), "bad_text")
