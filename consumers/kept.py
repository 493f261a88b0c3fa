"""What becomes of a record that cannot become a row? It is kept whole in `sink_letters`, with the reason; the sink goes on."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Cursor

from consumers.stretch import Stretch


@dataclass(frozen=True, slots=True)
class Kept:
    """One such record. reason: as in dead letters, or `repeated_id`: another event had its id before."""

    topic: str
    partition: int
    offset: int
    appended_at: datetime
    reason: str
    detail: str
    schema_id: int | None
    raw_key: bytes | None
    raw_value: bytes | None


def keep(stretch: Stretch, index: int, reason: str, detail: str, schema_id: int | None = None) -> Kept:
    """Return the record at a position of the batch, to be kept."""
    batch, records = stretch.batch, stretch.batch.records
    return Kept(
        stretch.topic.name,
        int(stretch.partitions[index]),
        int(batch.offsets[index]),
        datetime.fromtimestamp(int(batch.appended_at[index]) / 1000, UTC),
        reason,
        detail,
        schema_id,
        records.keys.raw(index),
        records.values.raw(index),
    )


def write(cursor: Cursor[Any], letters: Sequence[Kept]) -> None:
    """Write the letters inside a transaction; one that is there already stays."""
    if letters:
        cursor.executemany(
            "INSERT INTO sink_letters (kafka_topic, kafka_partition, kafka_offset, appended_at, reason, detail, schema_id,"
            " raw_key, raw_value) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [astuple(letter) for letter in letters],
        )
