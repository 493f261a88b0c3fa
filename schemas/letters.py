"""What happens to a message that cannot be understood? It is kept, whole, with its origin and the reason."""

from typing import ClassVar, Literal

from pydantic import Field

from schemas.event import Derived, Id, Note, Topic

DEAD_LETTERS = Topic("dead-letters.v1", key="origin_topic", partitions=3)

Reason = Literal[
    "unknown", "null", "empty", "oversized", "not_framed", "unknown_schema", "wrong_type", "malformed", "out_of_range", "not_finite",
    "bad_time", "bad_text", "bad_key", "step_failed",
]  # fmt: skip


class DeadLetter(Derived):
    """A message that we could not use, with what we know about it. `at` is its append time at the origin."""

    topic: ClassVar = DEAD_LETTERS
    origin_topic: Id = Field(description="Topic the message came from.")
    origin_partition: int = Field(description="Partition it came from.")
    origin_offset: int = Field(description="Offset it came from.")
    agent: Id = Field(description="Who could not use it.")
    reason: Reason = Field(description="Kind of fault.")
    detail: Note = Field(description="What was expected and what was found, with the field's name.")
    schema_id: int | None = Field(default=None, description="Schema id on the message, if it had one.")
    raw_key: bytes | None = Field(default=None, description="The message's key, raw.")
    raw_value: bytes | None = Field(default=None, description="The message's value, raw; cut at 900,000 bytes.")
    size: int = Field(description="The value's size before any cut, bytes; -1 for a null value.")
