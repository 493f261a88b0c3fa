"""Which dead letters does a person mean? One by its id, or all that agree with what was typed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from infra.errors import Fault

if TYPE_CHECKING:
    from consumers.letters import Entry, Letters
    from schemas.letters import LetterRedriven

_SPAN = re.compile(r"(\d{1,6})\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a person typed: agent, topic, reason, since when, and like which letter."""

    agent: str | None = None
    topic: str | None = None
    reason: str | None = None
    since: str | None = None
    like: str | None = None

    @property
    def given(self) -> dict[str, str]:
        """Return those that say something."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}

    def __str__(self) -> str:
        """Return them in words."""
        return ", ".join(f"{name} {value!r}" for name, value in self.given.items()) or "any cause"


def moment(text: str, now: datetime) -> datetime:
    """Return the moment that a person means: how long ago, or ISO 8601 (UTC unless it names a zone). Raises Fault.

    >>> moment("90m", datetime(2013, 1, 1, 12, tzinfo=UTC)).isoformat(), moment("2013-01-01", datetime.now(UTC)).isoformat()
    ('2013-01-01T10:30:00+00:00', '2013-01-01T00:00:00+00:00')
    """
    expected = f"since: expected a span such as 90m, 2h or 3d, or a moment such as 2013-01-31T12:00, found {text!r}"
    try:
        if (span := _SPAN.fullmatch(text.strip())) is not None:
            return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise Fault(expected) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def one(letters: "Letters", id_: str) -> "Entry":
    """Return the letter of an id, or of the beginning of one that no other shares. Raises Fault."""
    if id_ in letters.entries:
        return letters.entries[id_]
    found = [entry for each, entry in letters.entries.items() if len(id_) >= 6 and each.startswith(id_)]
    if len(found) == 1:
        return found[0]
    if found:
        raise Fault(f"id: {len(found):,} letters begin with {id_!r}: type more of it")
    many = (
        f"{len(letters.entries):,} others: `affluent letters list` names one of each cause" if letters.entries else "none at all"
    )
    raise Fault(f"id: no dead letter is called {id_!r}; there are {many}")


def chosen(letters: "Letters", filters: Filters, now: datetime) -> "list[Entry]":
    """Return the letters that agree with the filters. Raises Fault if there are none."""
    from consumers.letters import Choice

    since = None if filters.since is None else moment(filters.since, now)
    like = None if filters.like is None else one(letters, filters.like).cause
    choice = Choice(filters.agent, filters.topic, filters.reason, since, like)
    found = [entry for entry in letters.entries.values() if choice.holds(entry)]
    if not found:
        causes = {entry.cause for entry in letters.entries.values()}
        there = {name: sorted({getattr(cause, name) for cause in causes}) for name in ("agent", "topic", "reason")}
        known = "; ".join(f"{name} {', '.join(values)}" for name, values in there.items() if values)
        raise Fault(f"no dead letter has {filters}; " + (f"there are letters of {known}" if known else "there are none at all"))
    return found


def meant(letters: "Letters", id_: str | None, filters: Filters, now: datetime, *, discarded_too: bool = False) -> "list[Entry]":
    """Return the open letters that a person means; one that is named may be discarded if `discarded_too`.

    Raises Fault if there are none.
    """
    if id_ is None:
        entries = [entry for entry in chosen(letters, filters, now) if letters.state(entry) == "open"]
        if not entries:
            raise Fault(f"no open letter has {filters}: all of them were sent again or discarded")
        return entries
    entry = one(letters, id_)
    if (done := letters.redriven(entry)) is not None:
        back = letters.came_back(entry)
        again = f", and came back as letter {back[0].id}: send that one" if back else ""
        raise Fault(
            f"letter {entry.id} was sent again {done.at:%Y-%m-%d %H:%M:%S} by {done.by} and is not sent twice: "
            f"it lies at {lies_at(done)}{again}"
        )
    if (gone := letters.discarded(entry)) is not None and not discarded_too:
        raise Fault(f"letter {entry.id} was discarded {gone.at:%Y-%m-%d %H:%M:%S} by {gone.by}: {gone.why}")
    return [entry]


def topics(entries: "Sequence[Entry]") -> str:
    """Return the names of the topics they came from."""
    return ", ".join(sorted({entry.cause.topic for entry in entries}))


def lies_at(done: "LetterRedriven") -> str:
    """Return where in the log the message lies that was sent again."""
    return f"{done.origin_topic}[{done.sent_partition}]@{done.sent_offset}"
