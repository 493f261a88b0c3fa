"""What happens to a message that cannot be understood? It is kept, whole, with its origin and the reason.

What became of it later stands behind it, in the same partition: it was sent again, or laid aside.
"""

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


class LetterRedriven(Derived):
    """A dead letter was sent again to where it came from, once. `at` is when we did it, `cause` the letter's id.

    It stands in the log if and only if what was sent does: one transaction writes both.
    """

    topic: ClassVar = DEAD_LETTERS
    origin_topic: Id = Field(description="Topic the message came from, and was sent to.")
    by: Id = Field(description="Who did it.")
    how: Literal["unknown", "unchanged", "edited", "redecoded"] = Field(description="What was sent: the same bytes, or an event.")
    sent_id: Note = Field(description="Id of the event that was sent; empty if its bytes do not tell.")
    sent_partition: int = Field(description="Partition of the origin where it lies now.")
    sent_offset: int = Field(description="Offset where it lies now; a letter from there is this one come back.")


class LetterDiscarded(Derived):
    """A dead letter was laid aside for good. `at` is when, `cause` the letter's id."""

    topic: ClassVar = DEAD_LETTERS
    origin_topic: Id = Field(description="Topic the message came from.")
    by: Id = Field(description="Who did it.")
    why: Note = Field(description="Why nobody needs it.")
