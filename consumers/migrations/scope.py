"""What do migrations look after? Our tables and nothing else that lives in the database; what columns mean the classes say."""

from typing import Any

from consumers.tables import METADATA


def ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Return whether a name found in the database is ours to compare; the days' partitions are made by sinks."""
    return kind != "table" or name in METADATA.tables


OPTIONS: dict[str, Any] = {
    "include_name": ours,
    "version_table": "sink_migrations",
    "autogenerate_plugins": ["alembic.autogenerate.*", "~alembic.autogenerate.comments"],
}
