"""What does Alembic compare? Our tables, on the connection that `migrate` hands over; the days' partitions are made by sinks."""

from typing import Any

from alembic import context

from consumers.tables import METADATA


def ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Return whether a name found in the database is ours to compare: others may live in it too."""
    return kind != "table" or name in METADATA.tables


def run() -> None:
    """Run the migrations."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=METADATA,
        include_name=ours,
        version_table="sink_migrations",
        autogenerate_plugins=["alembic.autogenerate.*", "~alembic.autogenerate.comments"],  # the classes say what columns mean
    )
    with context.begin_transaction():
        context.run_migrations()


run()
