"""Which partition does a row lie in? The one of its day, UTC; made when the first event of that day comes.

Partitions lie in a schema of their own, `days`, so that people see only the tables. They are made in a short transaction of their
own before the write, under an advisory lock: a partition left empty by a crash harms nobody, and none waits for a long write.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from psycopg import Connection
from psycopg.sql import SQL, Identifier, Literal

SCHEMA = "days"
LOCK = 0x6166_666C_7565_6E74
"""The advisory lock of whoever changes our tables, migrations too: `affluent` in ASCII."""
AT_ONCE = 64
"""Partitions made in one transaction: each takes a handful of the server's locks."""

DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)

Session = Connection[tuple[object, ...]]


def partition(table: str, day: int) -> str:
    """Return the name of a day's partition. day: days since 1970-01-01.

    >>> partition("delay_predicted", 15_706)
    'delay_predicted_20130101'
    """
    return f"{table}_{_EPOCH + timedelta(days=day):%Y%m%d}"


class Days:
    """The partitions that exist, as far as this process has seen."""

    def __init__(self) -> None:
        self._known: set[str] | None = None

    def forget(self) -> None:
        """Look again at the next write: somebody may have dropped a day."""
        self._known = None

    def ensure(self, session: Session, wanted: Iterable[tuple[str, int]]) -> None:
        """Make the partitions that are missing. wanted: (table, days since 1970-01-01). session: not in a transaction."""
        if self._known is None:
            self._known = _existing(session)
        missing = sorted(pair for pair in wanted if partition(*pair) not in self._known)
        for first in range(0, len(missing), AT_ONCE):
            some = missing[first : first + AT_ONCE]
            _make(session, some)
            self._known.update(partition(*pair) for pair in some)


def _existing(session: Session) -> set[str]:
    found = session.execute("SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relispartition", [SCHEMA])
    return {str(name) for (name,) in found}


def _make(session: Session, pairs: Sequence[tuple[str, int]]) -> None:
    with session.transaction():
        session.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        there = _existing(session)  # another sink may have been faster
        for table, day in pairs:
            name = partition(table, day)
            if name not in there:
                first = _EPOCH + timedelta(days=day)
                # Attaching lets others write to the table meanwhile; CREATE ... PARTITION OF would lock them out.
                session.execute(
                    SQL(
                        "CREATE TABLE {part} (LIKE {table} INCLUDING CONSTRAINTS INCLUDING INDEXES); "
                        "ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({first}) TO ({after})"
                    ).format(
                        part=Identifier(SCHEMA, name),
                        table=Identifier(table),
                        first=Literal(f"{first} 00:00:00+00"),
                        after=Literal(f"{first + timedelta(days=1)} 00:00:00+00"),
                    )
                )
