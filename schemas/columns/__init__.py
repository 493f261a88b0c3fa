"""How do events travel without an object each? As columns: decoded from Avro by the batch, checked, and encoded back."""

from schemas.columns.batch import BAD, IGNORED, Batch
from schemas.columns.columns import Columns
from schemas.columns.compiled import warm
from schemas.columns.encoding import encode
from schemas.columns.faults import Letter
from schemas.columns.hashing import derive_ids, hash_more, hash_strings, hash_text
from schemas.columns.nullable import Column, Nullable
from schemas.columns.ragged import Ragged
from schemas.columns.reader import Reader
from schemas.columns.records import Records
from schemas.columns.strings import Strings

__all__ = [
    "BAD", "IGNORED", "Batch", "Column", "Columns", "Letter", "Nullable", "Ragged", "Reader", "Records", "Strings", "derive_ids",
    "encode", "hash_more", "hash_strings", "hash_text", "warm",
]  # fmt: skip
