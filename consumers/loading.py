"""How do rows come into a history table, each once?

By COPY into a temporary table and INSERT ... ON CONFLICT DO NOTHING. As long as nothing is told twice, which is nearly always, the
temporary table is left out and COPY writes where the rows belong: half the work. The first repeat undoes that COPY and brings the
temporary table back, until a batch without repeats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor, errors
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal
from sqlalchemy import Numeric
from sqlalchemy.dialects import postgresql

from consumers.copying import HEAD, TAIL
from consumers.tables import HISTORY, PLACE, is_copied
from schemas.columns.arrays import Bytes
from schemas.event import Event

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of the rows of one class.

    new: how many were not there before. differing: where rows stand (topic if the class is copied, partition, offset) whose id
    another event had before; the rest were the same event told twice.
    """

    new: int
    differing: tuple[tuple[str | None, int, int], ...] = ()


class Loader:
    """The statements that load one event class, over one session at a time."""

    def __init__(self, event: type[Event]) -> None:
        table = HISTORY[event]
        self.table = table.name
        incoming, target = Identifier("pg_temp", f"incoming_{table.name}"), Identifier(table.name)
        names = SQL(", ").join(Identifier(c.name) for c in table.columns)
        types = {c.name: "bigint" if isinstance(c.type, Numeric) else c.type.compile(_DIALECT) for c in table.columns}
        cells = SQL(", ").join(SQL("{} {}").format(Identifier(name), SQL(kind)) for name, kind in types.items())
        # It empties itself at the end of each transaction, also after an error.
        self._create = SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS").format(incoming, cells)
        self._copy_apart = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(incoming, names)
        self._copy_straight = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(target, names)
        self._insert = SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING").format(
            target, names, SQL(", ").join(_read(c) for c in table.columns), incoming
        )
        keys = [c.name for c in table.primary_key]
        said = [c for c in table.columns if c.name not in (*keys, *PLACE)]
        self._bounds = SQL("SELECT min(at), max(at) FROM {}").format(incoming)
        self._differing = SQL(
            "SELECT {topic}, i.kafka_partition, i.kafka_offset FROM {incoming} i JOIN {target} t ON ({same}) "
            "WHERE t.at BETWEEN %s AND %s AND ({ours}) IS DISTINCT FROM ({theirs})"
        ).format(
            topic=SQL("i.kafka_topic" if is_copied(event) else "NULL"),
            incoming=incoming,
            target=target,
            same=SQL(" AND ").join(SQL("i.{0} = t.{0}").format(Identifier(name)) for name in keys),
            ours=SQL(", ").join(_read(c, "i") for c in said),
            theirs=SQL(", ").join(Identifier("t", c.name) for c in said),
        )
        self._decimals = any(isinstance(c.type, Numeric) for c in table.columns)
        self._straight = False  # after a start there may be repeats

    def load(self, cursor: Cursor[Any], buffers: Sequence[Bytes], count: int) -> Loaded:
        """Load rows made by `copying.rows`. count: how many. cursor: inside the transaction of the write."""
        if self._straight:
            try:
                with cursor.connection.transaction():  # a savepoint
                    _copy(cursor, self._copy_straight, buffers)
            except errors.UniqueViolation:
                self._straight = False
            else:
                return Loaded(count)
        cursor.execute(self._create)
        _copy(cursor, self._copy_apart, buffers)
        cursor.execute(self._insert)
        new = cursor.rowcount
        self._straight = new == count and not self._decimals
        return Loaded(new, self._compare(cursor) if new < count else ())

    def _compare(self, cursor: Cursor[Any]) -> tuple[tuple[str | None, int, int], ...]:
        """Return the places of the rows that share an id with another event. Repeats are rare, so this may take a while."""
        # Only the days concerned, and by index: the temporary table has no statistics to plan with.
        cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        bounds = cursor.execute(self._bounds).fetchone()
        return tuple(cursor.execute(self._differing, bounds))


def _copy(cursor: Cursor[Any], statement: Composed, buffers: Sequence[Bytes]) -> None:
    with cursor.copy(statement) as copy:
        copy.write(HEAD)
        for buffer in buffers:
            copy.write(buffer.data)
        copy.write(TAIL)


def _read(column: Any, table: str | None = None) -> Composable:
    """Return how a column of the temporary table is read: a decimal arrives unscaled."""
    name = Identifier(table, column.name) if table else Identifier(column.name)
    if isinstance(column.type, Numeric):
        return SQL("({} * {}::numeric)").format(name, Literal(f"1e-{column.type.scale}"))
    return name
