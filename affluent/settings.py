"""What can be set, what is set here, and what is it for?"""

from affluent.answers import as_json, as_table
from infra.settings import NESTED, PREFIX, names, read

HIDDEN = ("PASSWORD", "DSN", "URL")
"""Ends of variables that may carry a password; an address shows that it is set, not what it is."""


def list_settings(*, json: bool) -> None:
    """Print every setting. Raises Fault for a bad variable."""
    given = read()
    rows = []
    for name, text in names().items():
        value: object = given
        for part in name.removeprefix(PREFIX).lower().split(NESTED):
            value = getattr(value, part)
        hidden = (name.endswith(HIDDEN) and "@" in str(value)) or name.endswith("PASSWORD")
        rows.append((name, "(hidden)" if hidden and value else value, text))
    if json:
        as_json({"settings": {name: {"value": value, "for": text} for name, value, text in rows}})
    else:
        as_table(("variable", "value", "what it is for"), rows)
