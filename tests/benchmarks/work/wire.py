"""What do the records look like? Two Avro schemas, as any program without our classes needs them.

Avro has no names on the wire: our own classes (`events.py`) call assignment_id and promised_at `event_id` and `at`, the bytes are the
same. A value is byte 0, the schema's id in four bytes (big endian), then the Avro binary; the key is courier_id as UTF-8.
"""

import struct
from typing import Any

PARTITIONS = 12
JOB_ID, ANSWER_ID = 1, 2
"""Schema ids of the two."""
HEAD_BYTES = 5
MODEL_VERSION = "rf-1"
START_MS = 1_767_225_600_000
"""2026-01-01, UTC: when the first job is promised; each later one 120 ms after the one before."""
EVERY_MS = 120

_TIME = {"type": "long", "logicalType": "timestamp-millis"}

JOB: dict[str, Any] = {
    "type": "record",
    "name": "JobTaken",
    "fields": [
        {"name": "assignment_id", "type": "string"},
        {"name": "promised_at", "type": _TIME},
        {"name": "courier_id", "type": "string"},
        {"name": "restaurant_id", "type": "string"},
        {"name": "distance_km", "type": "double"},
        {"name": "items", "type": "long"},
        {"name": "hour", "type": "long"},
        {"name": "dow", "type": "long"},
        {"name": "temperature_c", "type": "double"},
        {"name": "rain", "type": "boolean"},
        {"name": "traffic", "type": "double"},
        {"name": "prep_min", "type": "double"},
        {"name": "wind", "type": "double"},
        {"name": "load", "type": "double"},
        {"name": "rating", "type": "double"},
    ],
}
"""A job. For plain milliseconds instead of a datetime read it with `JOB_MS`."""

JOB_MS: dict[str, Any] = JOB | {
    "fields": [field | {"type": "long"} if field["name"] == "promised_at" else field for field in JOB["fields"]]
}

ANSWER: dict[str, Any] = {
    "type": "record",
    "name": "DelayAnswered",
    "fields": [
        {"name": "assignment_id", "type": "string"},
        {"name": "delay_s", "type": "double"},
        {"name": "model_version", "type": "string"},
        {"name": "features", "type": {"type": "array", "items": "double"}},
    ],
}
"""What a program answers; ours says more (its id, time, cause and key) and is measured with that."""


def head(schema_id: int) -> bytes:
    """Return the five bytes before the Avro binary.

    >>> head(2)
    b'\\x00\\x00\\x00\\x00\\x02'
    """
    return struct.pack(">bI", 0, schema_id)


def assignment_id(index: int) -> str:
    """Return the id of a job by its place in the load; its digits say the place.

    >>> assignment_id(42)
    'as-00000042'
    """
    return f"as-{index:08d}"
