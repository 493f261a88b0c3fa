"""How do the tables come to be, and change? By Alembic, driven from here: there is no ini file and no command line of its own."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from consumers import tables
from consumers.days import LOCK
from infra import postgres


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(dsn: str) -> None:
    """Bring the tables to the newest version; one process at a time does it, the others find it done.

    Raises Unavailable if Postgres is away, Fault if it does not let us in.
    """
    config = _config()
    with postgres.speaking(dsn), postgres.engine(dsn).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        _describe(connection)


def _describe(connection: Connection) -> None:
    """Say about tables and columns what their classes say, where the database says something else."""
    said = connection.execute(
        text(
            "SELECT c.relname, a.attname, d.description FROM pg_class c JOIN pg_description d ON d.objoid = c.oid "
            "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0 "
            "WHERE c.relnamespace = current_schema()::regnamespace AND d.classoid = 'pg_class'::regclass"
        )
    )
    there = {(table, column): doc for table, column, doc in said}
    for table, column, doc in tables.docs():
        if there.get((table, column), "") != doc:
            target = f"COLUMN {table}.{column}" if column else f"TABLE {table}"
            connection.exec_driver_sql(f"COMMENT ON {target} IS {_literal(doc)}")


def _literal(doc: str) -> str:
    return "'" + doc.replace("'", "''").replace("%", "%%") + "'"


def write(dsn: str, message: str) -> None:
    """Write the next migration: what the event classes have and the database has not. Read it before you commit it."""
    config = _config()
    with postgres.speaking(dsn), postgres.engine(dsn).begin() as connection:
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True, rev_id=f"{len(list(_versions())) + 1:04}")


def _versions() -> list[Path]:
    return sorted((Path(__file__).parent / "versions").glob("[0-9]*.py"))
