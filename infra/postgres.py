"""How do we speak to Postgres? Sessions of psycopg, and whose fault it is when one breaks."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import conninfo, errors
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from infra.errors import Fault, Unavailable

CONNECT_S = 3
LOCK_MS, STATEMENT_MS, IDLE_MS = 5_000, 60_000, 30_000
"""How long a session waits for a lock, works on a statement, and may sleep inside a transaction before the server ends it: a
process that was stopped in the middle of a write must not hold its rows against the one that took over."""

BAD_VALUES = (errors.DataError, errors.ProgramLimitExceeded)
"""What Postgres raises for values that it will never take, however often they are sent."""

_LOCKED_OUT = (
    errors.InvalidPassword,
    errors.InvalidAuthorizationSpecification,
    errors.InvalidCatalogName,
    errors.InsufficientPrivilege,
)
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
_SAID = ("password authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied")
"""What a refused connection says: it has no code of its own."""


def shown(dsn: str) -> str:
    """Return the address without its password.

    >>> shown("postgresql://sink:secret@db:5432/affluent")
    'db:5432/affluent'
    """
    parts = conninfo.conninfo_to_dict(dsn)
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', parts.get('user', ''))}"


@contextmanager
def speaking(dsn: str) -> Iterator[None]:
    """Turn what Postgres answers into our two errors: Fault where a person must act, Unavailable where waiting helps.

    BAD_VALUES pass: the statement's values are at fault, and who wrote them knows which.
    """
    try:
        yield
    except DBAPIError as error:
        raise _ours(dsn, error.orig) from error
    except psycopg.Error as error:
        raise _ours(dsn, error) from error


def _ours(dsn: str, error: BaseException | None) -> BaseException:
    """Return what to raise for what was raised: one of our two errors, or the same."""
    said = _line(error)
    if error is None or isinstance(error, BAD_VALUES):
        return error or RuntimeError("SQLAlchemy kept back what Postgres said")
    if isinstance(error, _LOCKED_OUT) or (
        isinstance(error, psycopg.OperationalError) and error.sqlstate is None and any(words in said for words in _SAID)
    ):
        return Fault(f"Postgres at {shown(dsn)} does not let us in ({said}): check AFFLUENT_POSTGRES__DSN")
    if isinstance(error, (errors.UndefinedTable, errors.UndefinedColumn)):
        return Fault(
            f"Postgres at {shown(dsn)} has other tables than this release ({said}): `affluent sink` makes and mends them"
        )
    return Unavailable(f"Postgres at {shown(dsn)} is away: {said}") if isinstance(error, _AWAY) else error


def _line(error: BaseException | None) -> str:
    """Return what Postgres said, in one line, without the address that libpq puts before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rpartition(" failed: ")[2].removeprefix("FATAL:").strip() if lines else type(error).__name__


def connect(dsn: str, *, name: str) -> "psycopg.Connection[tuple[object, ...]]":
    """Return an open session in autocommit, known to the server as `name`, with its time zone UTC.

    Raises Fault if no address is known, it cannot be read or we are locked out, Unavailable if nobody answers.
    """
    _require(dsn)
    options = (
        f"-c timezone=UTC -c lock_timeout={LOCK_MS} -c statement_timeout={STATEMENT_MS} "
        f"-c idle_in_transaction_session_timeout={IDLE_MS}"
    )
    with speaking(dsn):
        return psycopg.connect(
            dsn, autocommit=True, application_name=name, connect_timeout=CONNECT_S, options=options, tcp_user_timeout=10_000
        )


def engine(dsn: str) -> Engine:
    """Return a SQLAlchemy engine over such sessions, for queries and migrations; it keeps none of them."""
    _require(dsn)
    return create_engine(sqlalchemy_url(dsn), poolclass=NullPool, creator=lambda: _plain(dsn))


def _plain(dsn: str) -> "psycopg.Connection[tuple[object, ...]]":
    session = connect(dsn, name="affluent-query")
    session.autocommit = False
    return session


def sqlalchemy_url(dsn: str) -> URL:
    """Return the address as SQLAlchemy writes it."""
    return make_url(dsn).set(drivername="postgresql+psycopg")


def _require(dsn: str) -> None:
    if not dsn:
        raise Fault(
            "no Postgres is known: run `affluent up`, or set AFFLUENT_POSTGRES__DSN to postgresql://user:password@host/base"
        )
    try:
        conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        raise Fault("AFFLUENT_POSTGRES__DSN: expected postgresql://user:password@host:port/base, found something else") from error
