"""Did a program answer every job, once, and rightly? Its whole output is read back and compared, byte layout included."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from confluent_kafka import TopicPartition
from numpy.typing import NDArray

from infra import kafka
from infra.settings import Kafka
from tests.benchmarks.work.domain import FEATURES
from tests.benchmarks.work.reference import Reference
from tests.benchmarks.work.wire import ANSWER_ID, MODEL_VERSION, PARTITIONS

TOLERANCE = 1e-3
READ, PATIENCE_S = 20_000, 10.0
_TAIL = [("delay_s", "<f8"), ("version", "S5"), ("count", "u1"), ("features", "<f8", (FEATURES,)), ("end", "u1")]
_START = [("magic", "u1"), ("schema", ">u4")]
_ID = [("id_size", "u1"), ("id", "S11")]
LAYOUTS = (
    np.dtype(_START + _ID + _TAIL),
    np.dtype([*_START, ("own", "V33"), ("at", "V6"), ("cause", "V12"), *_ID, ("courier", "V7"), *_TAIL]),
)
"""All fields of an answer happen to have a fixed width, so it can be read as a row: what others write, and what we write."""


@dataclass(frozen=True)
class Verdict:
    """What was found. wrong: answers whose delay or a feature is off by more than TOLERANCE, or whose form is another."""

    expected: int
    answers: int
    missing: int
    duplicates: int
    wrong: int
    largest_error: float
    bytes_per_answer: float

    @property
    def errors(self) -> int:
        """How many answers are missing or wrong; a repeated right answer is at-least-once, and counted apart."""
        return self.missing + self.wrong

    def as_dict(self) -> dict[str, Any]:
        """Return it for a result."""
        return asdict(self) | {"errors": self.errors}


def verify(settings: Kafka, topic: str, right: Reference, *, whole: bool = True) -> Verdict:
    """Read a topic to its end as of now and compare. whole: False for a program that was cut short: then nothing is missing."""
    n = len(right.delay_s)
    seen, found, sizes = np.zeros(n, np.int64), [0, 0.0], [0, 0]
    for keys, values in _batches(settings, topic):
        index, error, good = compare(keys, values, right)
        np.add.at(seen, index[good], 1)
        found = [found[0] + int((~good).sum()), max(found[1], float(error[good].max(initial=0.0)))]
        sizes = [sizes[0] + len(values), sizes[1] + sum(map(len, values))]
    missing = int((seen == 0).sum()) if whole else 0
    return Verdict(
        n, sizes[0], missing, int((seen - 1).clip(0).sum()), int(found[0]), found[1], round(sizes[1] / max(sizes[0], 1), 1)
    )


def compare(
    keys: Sequence[bytes], values: Sequence[bytes], right: Reference
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return of each answer the job's number, the largest error, and whether it is right."""
    index, error = np.full(len(values), -1, np.int64), np.full(len(values), np.inf)
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    for layout in LAYOUTS:
        mine = np.flatnonzero(lengths == layout.itemsize)
        if not len(mine):
            continue
        rows = np.frombuffer(b"".join(values[i] for i in mine.tolist()), layout)
        form = (rows["magic"] == 0) & (rows["schema"] == ANSWER_ID) & (rows["id_size"] == 22) & (rows["count"] == 2 * FEATURES)
        form &= (rows["version"] == bytes([2 * len(MODEL_VERSION)]) + MODEL_VERSION.encode()) & (rows["end"] == 0)
        number = np.char.replace(rows["id"], b"as-", b"")
        form &= np.char.isdigit(number) & (np.char.str_len(number) == 8)
        at: NDArray[np.int64] = np.where(form, number, b"0").astype(np.int64)
        form &= at < len(right.delay_s)
        at = np.where(form, at, 0)
        key = np.array([keys[i] or b"" for i in mine.tolist()])
        form &= key == np.char.add(b"c", np.char.zfill(right.courier[at].astype("S5"), 5))
        off = np.abs(rows["features"] - right.features[at]).max(axis=1)
        index[mine], error[mine] = at, np.where(form, np.maximum(off, np.abs(rows["delay_s"] - right.delay_s[at])), np.inf)
    return index, error, error <= TOLERANCE


def _batches(settings: Kafka, topic: str) -> Any:
    """Yield keys and values of a topic up to its end as of now. Raises RuntimeError if they do not come."""
    consumer = kafka.consumer(settings, group="bench-verify")
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=15) for p in range(PARTITIONS)}
    consumer.assign([TopicPartition(topic, p, low) for p, (low, _) in ends.items()])
    heard = time.monotonic()
    try:
        while any(
            consumer.position([TopicPartition(topic, p)])[0].offset < high for p, (low, high) in ends.items() if high > low
        ):
            messages = [message for message in consumer.consume(READ, 0.3) if message.error() is None]
            if messages:
                heard = time.monotonic()
                yield [message.key() for message in messages], [message.value() for message in messages]
            elif time.monotonic() > heard + PATIENCE_S:
                raise RuntimeError(f"{topic}: nothing came for {PATIENCE_S:g} s, though its end was not reached")
    finally:
        consumer.close()
