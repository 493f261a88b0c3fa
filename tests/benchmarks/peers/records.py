"""How do the Python peers read a job and write an answer? With fastavro, one record at a time, as its users do."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from tests.benchmarks.work.wire import ANSWER, ANSWER_ID, HEAD_BYTES, JOB_MS, MODEL_VERSION, head

READS, WRITES = parse_schema(JOB_MS), parse_schema(ANSWER)
HEAD = head(ANSWER_ID)


def decode(value: bytes) -> dict[str, Any]:
    """Return a job; its time in milliseconds, because a datetime would cost a quarter more."""
    stream = BytesIO(value)
    stream.seek(HEAD_BYTES)
    return schemaless_reader(stream, READS, None)  # type: ignore[return-value]  # a record is a dict


def encode(answer: dict[str, Any]) -> bytes:
    """Return the bytes of an answer."""
    stream = BytesIO()
    stream.write(HEAD)
    schemaless_writer(stream, WRITES, answer)
    return stream.getvalue()


def answer(job: dict[str, Any], delay: float, features: Sequence[float]) -> dict[str, Any]:
    """Return what we say of a job. features: what the forest saw, float32 values."""
    return {
        "assignment_id": job["assignment_id"],
        "delay_s": delay,
        "model_version": MODEL_VERSION,
        "features": features,
    }
