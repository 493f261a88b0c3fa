"""Which commands does the desk of dead letters have? `affluent letters list | show | redrive | discard`."""

from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Exit, Option, Typer

letters = Typer(help="The dead letters: messages that an agent could not use.", no_args_is_help=True)

Json = Annotated[bool, Option("--json", help="Answer with one JSON object.")]
OfAgent = Annotated[str | None, Option("--agent", help="Only letters of this agent.", show_default=False)]
OfTopic = Annotated[str | None, Option("--topic", help="Only messages that came from this topic.", show_default=False)]
OfReason = Annotated[str | None, Option("--reason", help="Only this kind of fault, such as malformed.", show_default=False)]
Since = Annotated[
    str | None,
    Option(help="Only messages appended since: 90m, 2h, 3d, or a moment such as 2013-01-31T12:00 (UTC).", show_default=False),
]
Like = Annotated[
    str | None, Option("--like", metavar="ID", help="Only letters of the same cause as this one.", show_default=False)
]
Edit = Annotated[
    Path | None, Option(metavar="FILE", help="Send the event of this JSON file (`fields` of `show --json`).", show_default=False)
]
LetterId = Annotated[
    str | None, Argument(metavar="ID", help="One letter; without it, all open ones that agree.", show_default=False)
]
By = Annotated[str | None, Option("--by", help="Who does it, for the record; you by default.", show_default=False)]
Yes = Annotated[bool, Option("--yes", help="Do not ask, though it is a group.")]


@letters.command("list")
def letters_list(
    agent: OfAgent = None, topic: OfTopic = None, reason: OfReason = None, since: Since = None, like: Like = None,
    only_open: Annotated[bool, Option("--open", help="Only causes that have open letters.")] = False, json: Json = False,
) -> None:  # fmt: skip
    """Show the letters by cause: how many, how many are still open, since when, and one of each."""
    from affluent.letter_choice import Filters
    from affluent.letters import list_letters

    raise Exit(list_letters(Filters(agent, topic, reason, since, like), only_open=only_open, json=json))


@letters.command("show")
def letters_show(
    id: Annotated[str, Argument(metavar="ID", help="The letter's id, or how it begins.", show_default=False)],
    schema: Annotated[str | None, Option(help="Read its bytes as this event.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Show everything about one letter: origin, reason, fields, bytes, history."""
    from affluent.letters import show

    raise Exit(show(id, schema=schema, json=json))


@letters.command("redrive")
def letters_redrive(
    id: LetterId = None, agent: OfAgent = None, topic: OfTopic = None, reason: OfReason = None, since: Since = None, like: Like = None,
    edit: Edit = None,
    schema: Annotated[str | None, Option(help="Its bytes are this event: read, check and encode them anew.", show_default=False)] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Only show what would be sent.")] = False,
    by: By = None, yes: Yes = False, json: Json = False,
) -> None:  # fmt: skip
    """Send a letter, or all open ones of a group, to where it came from: once, under its first id."""
    from affluent.letter_choice import Filters
    from affluent.letters import redrive

    filters = Filters(agent, topic, reason, since, like)
    _require_one_or_group(id, filters.given)
    if edit is not None and id is None:
        raise BadParameter("an edited event is sent for one letter: give its ID", param_hint="--edit")
    raise Exit(redrive(id, filters, edit=edit, schema=schema, by=by, dry_run=dry_run, yes=yes, json=json))


@letters.command("discard")
def letters_discard(
    why: Annotated[str, Option(help="Why nobody needs it, for the record.", show_default=False)],
    id: LetterId = None, agent: OfAgent = None, topic: OfTopic = None, reason: OfReason = None, since: Since = None, like: Like = None,
    by: By = None, yes: Yes = False, json: Json = False,
) -> None:  # fmt: skip
    """Lay a letter, or all open ones of a group, aside for good."""
    from affluent.letter_choice import Filters
    from affluent.letters import discard

    filters = Filters(agent, topic, reason, since, like)
    _require_one_or_group(id, filters.given)
    raise Exit(discard(id, filters, why=why, by=by, yes=yes, json=json))


def _require_one_or_group(id: str | None, given: dict[str, str]) -> None:
    if (id is None) == (not given):
        raise BadParameter(
            "give one ID, or say which group is meant (--agent, --topic, --reason, --since, --like)", param_hint="ID"
        )
