"""What lies on the dead-letter desk, and what is done with it? `affluent letters list | show | redrive | discard`."""

import getpass
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from affluent import answers, wiring
from affluent.letter_choice import Filters, chosen, lies_at, meant, one, topics
from affluent.letter_plan import Plan, World
from infra.errors import Fault

SHOW_BAR_FROM = 500


def list_letters(filters: Filters, *, only_open: bool = False, json: bool = False) -> int:
    """Show the letters by cause, those with most open ones first. Returns 0. Raises Fault, Unavailable."""
    from affluent.letter_pages import cause_page, causes

    with _world() as world:
        letters = world.desk.read()
    found = chosen(letters, filters, datetime.now(UTC)) if filters.given else list(letters.entries.values())
    rows = [row for row in causes(letters, found) if row["open"] or not only_open]
    if json:
        total = {state: sum(row[state] for row in rows) for state in ("letters", "open", "redriven", "discarded")}
        answers.as_json(total | {"unreadable": letters.unreadable, "causes": rows})
    elif not rows:
        answers.said("no dead letters are open" if letters.entries else "there are no dead letters")
    else:
        cause_page(rows, letters.unreadable)
    return 0


def show(id: str, *, schema: str | None = None, json: bool = False) -> int:  # noqa: A002  # what people call it
    """Show everything about one letter. Returns 0. Raises Fault, Unavailable."""
    from affluent.letter_pages import letter_as_dict, letter_page
    from producers.mending import open_letter

    with _world() as world:
        letters = world.desk.read()
        entry = one(letters, id)
        (letter,) = world.desk.whole([entry])
        told = letter_as_dict(letters, entry, open_letter(letter, world.registry, schema), world.refusals([letter])[0])
    if json:
        answers.as_json(told)
    else:
        letter_page(told)
    return 0


def redrive(
    id: str | None,  # noqa: A002  # what people call it
    filters: Filters,
    *,
    edit: Path | None = None,
    schema: str | None = None,
    by: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    json: bool = False,
) -> int:
    """Send one letter, or all open ones of a group, again. Returns 0 if all were sent. Raises Fault, Unavailable.

    What is open is read once more when nobody else can send any longer, so what another desk sent meanwhile is left out.
    """
    from affluent.letter_pages import plan_page, resend_as_dict
    from producers.mending import edit_from
    from producers.redrive import Dispatcher

    values = None if edit is None else edit_from(edit)
    who = _who(by)
    with _world() as world:
        letters = world.desk.read()
        entries = meant(letters, id, filters, datetime.now(UTC), discarded_too=True)
        plan = Plan(world, schema, values)
        if dry_run:
            resends = list(plan.resends(letters, entries))
            refused = world.refusals([each.letter for each in resends], [(each.key, each.value) for each in resends])
            told = [resend_as_dict(each, why) for each, why in zip(resends, refused, strict=True)]
            _answer({"would_send": told, "cannot": plan.problems}, lambda: plan_page(told, plan.problems), json=json)
            return 1 if plan.problems else 0
        if id is None:
            _confirm(f"Send {len(entries):,} letters of {topics(entries)} again?", yes=yes)
        else:  # what is wrong with it is said before another desk is shut out
            plan.require(letters, entries)
        out = Dispatcher(world.settings.kafka, world.registry, by=who, now=lambda: datetime.now(UTC))
        letters = world.desk.read()
        still = [entry for entry in entries if letters.redriven(entry) is None]
        with _bar("sending", len(still), quiet=json) as tell:
            notes = out.send(plan.resends(letters, still), tell)
    sent = [{"letter": note.cause, "how": note.how, "event_id": note.sent_id, "lies_at": lies_at(note)} for note in notes]
    meanwhile = len(entries) - len(still)

    def said() -> None:
        where = f"; the first lies at {sent[0]['lies_at']}" if sent else ""
        answers.said(f"sent {len(sent):,} again{where}; `affluent letters show ID` says what became of a letter")
        if meanwhile:
            answers.said(f"{meanwhile:,} were sent by somebody else meanwhile")
        for problem in plan.problems:
            answers.said(f"not sent: {problem['why']}")

    _answer({"sent": sent, "sent_by_others": meanwhile, "cannot": plan.problems}, said, json=json)
    return 1 if plan.problems else 0


def discard(
    id: str | None,  # noqa: A002  # what people call it
    filters: Filters,
    *,
    why: str,
    by: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> int:
    """Lay one open letter, or all of a group, aside for good. Returns 0. Raises Fault, Unavailable."""
    from producers.redrive import Dispatcher

    why = why.strip()
    if not 0 < len(why.encode()) <= 2_000:
        raise Fault(f"why: expected 1 to 2,000 bytes of text, found {len(why.encode()):,}")
    who = _who(by)
    with _world() as world:
        entries = meant(world.desk.read(), id, filters, datetime.now(UTC))
        if id is None:
            _confirm(f"Lay {len(entries):,} letters of {topics(entries)} aside for good?", yes=yes)
        out = Dispatcher(world.settings.kafka, world.registry, by=who, now=lambda: datetime.now(UTC))
        letters = world.desk.read()
        still = [(entry.cause.topic, entry.id) for entry in entries if letters.state(entry) == "open"]
        notes = out.discard(still, why)
    found = {"discarded": [note.cause for note in notes]}
    _answer(found, lambda: answers.said(f"laid {len(notes):,} letters aside"), json=json)
    return 0


def _world() -> World:
    from infra.registry import Registry

    settings = wiring.settings()
    return World(settings, Registry(settings.registry.url))


def _who(given: str | None) -> str:
    """Return the name under which a deed is noted. Raises Fault if the given one is no name."""
    if given is not None:
        if not 0 < len(given.encode()) <= 200:
            raise Fault(f"by: expected 1 to 200 bytes of text, found {len(given.encode()):,}")
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"


def _confirm(question: str, *, yes: bool) -> None:
    """Ask, unless told not to. Raises Fault if the answer is no, or nobody is there to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Fault(f"{question} Nobody is there to ask: say --yes, or look first with `affluent letters list`")
    import typer

    if not typer.confirm(question, err=True):
        raise Fault("nothing was done")


def _answer(answer: dict[str, Any], said: Callable[[], None], *, json: bool) -> None:
    if json:
        answers.as_json(answer)
    else:
        said()


@contextmanager
def _bar(what: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Give what tells how far it is: a bar, where somebody looks and has to wait."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=quiet or total < SHOW_BAR_FROM or not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
