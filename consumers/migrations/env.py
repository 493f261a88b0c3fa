"""How does Alembic run our migrations? On the connection that `migrate` hands over."""

from alembic import context

from consumers.migrations.scope import OPTIONS
from consumers.tables import METADATA


def run() -> None:
    """Run the migrations."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


run()
