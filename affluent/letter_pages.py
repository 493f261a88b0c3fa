"""What does a person see of dead letters? Their causes, one letter with all that is known of it, and what would be sent."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from affluent.letter_choice import lies_at
from schemas.salvage import plain

if TYPE_CHECKING:
    from consumers.letters import Entry, Letters
    from producers.mending import Opened
    from producers.redrive import Resend

WIDTH, HEX_BYTES, SHOWN = 100, 256, 20
_FIELD = re.compile(r"^field ([\w.]+): ")


def causes(letters: "Letters", entries: "Iterable[Entry]") -> list[dict[str, Any]]:
    """Return one row a cause, most open letters first. sample: an open letter, if there is one."""
    rows: dict[Any, dict[str, Any]] = {}
    for entry in entries:
        state, at = letters.state(entry), entry.at
        row = rows.get(entry.cause)
        if row is None:
            cause = entry.cause
            row = rows[cause] = {"agent": cause.agent, "topic": cause.topic, "reason": cause.reason, "detail": cause.detail}
            row |= {
                "letters": 0,
                "open": 0,
                "redriven": 0,
                "discarded": 0,
                "came_back": 0,
                "first": at,
                "last": at,
                "sample": entry.id,
            }
        if state == "open" and not row["open"]:
            row["sample"] = entry.id
        row["letters"] += 1
        row[state] += 1
        row["came_back"] += letters.came_from(entry) is not None
        row["first"], row["last"] = min(row["first"], at), max(row["last"], at)
    found = sorted(rows.values(), key=lambda row: (-row["open"], -row["letters"], row["sample"]))
    return [row | {"first": plain(row["first"]), "last": plain(row["last"])} for row in found]


def cause_page(rows: Sequence[Mapping[str, Any]], unreadable: int) -> None:
    """Print the causes, three lines each: what is wrong; whose and where; since when, and a sample's id."""
    table = Table(box=box.SIMPLE_HEAD, show_lines=True, pad_edge=False)
    for name in ("open", "redriven", "discarded"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("cause (times in UTC)", overflow="fold", ratio=1)
    for row in rows:
        counts = [Text(f"{row['open']:,}", "bold red" if row["open"] else "dim")]
        counts += [Text(f"{row[name]:,}" if row[name] else "-", "" if row[name] else "dim") for name in ("redriven", "discarded")]
        cause = Text.assemble((row["reason"], "bold"), f": {row['detail']}\n{row['agent']} of {row['topic']}")
        if row["came_back"]:
            cause.append(f", {row['came_back']:,} came back", "yellow")
        cause.append(f"\n{_span(row['first'], row['last'])}  ").append(row["sample"], "cyan")
        table.add_row(*counts, cause)
    _console().print(table)
    total = sum(row["open"] for row in rows)
    lines = [
        f"{total:,} open letters of {len(rows):,} causes. `affluent letters show ID` tells more about one (here: a sample each);"
    ]
    lines += ["`affluent letters redrive --like ID` and `discard --like ID --why …` are for all open letters of its cause."]
    if unreadable:
        lines += [f"{unreadable:,} records of the topic are no letters of ours and were passed over."]
    _console().print("\n".join(lines), style="dim", highlight=False, markup=False)


def letter_as_dict(letters: "Letters", entry: "Entry", opened: "Opened", refused: str | None) -> dict[str, Any]:
    """Return everything about a letter. refused: why this release could not read it, None if it could."""
    letter, read = opened.letter, opened.read
    said = _FIELD.match(letter.detail)
    fault = said[1] if said else (read.broken if read else None)
    value = letter.raw_value
    told: dict[str, Any] = {"id": letter.event_id, "state": letters.state(entry), "agent": letter.agent}
    told |= {"topic": letter.origin_topic, "partition": letter.origin_partition, "offset": letter.origin_offset}
    told |= {"at": plain(letter.at), "reason": letter.reason, "detail": letter.detail, "schema_id": letter.schema_id}
    told |= {"key": None if letter.raw_key is None else letter.raw_key.decode(errors="replace"), "size": letter.size}
    told |= {"cut": letter.size > len(value or b""), "refused_now": refused, "read_by": opened.by}
    told |= {"event": read.event if read else None, "fields": plain(dict(read.fields)) if read else None, "fault_in": fault}
    told |= {"unread": list(read.unread) if read else [], "bytes_over": read.left if read and not read.broken else 0}
    told |= {"first_id": opened.first_id(letters.first(entry).id), "history": list(_history(letters, entry))}
    return told | {"value_hex": None if value is None else value.hex()}


def _history(letters: "Letters", entry: "Entry") -> Iterator[dict[str, Any]]:
    if (before := letters.came_from(entry)) is not None:
        yield {"what": "came from", "letter": before.id, "at": plain(before.at)}
    yield {"what": "kept", "by": entry.cause.agent, "at": plain(entry.at)}
    if (gone := letters.discarded(entry)) is not None:
        yield {"what": "discarded", "by": gone.by, "at": plain(gone.at), "why": gone.why}
    if (done := letters.redriven(entry)) is not None:
        sent = {"lies_at": lies_at(done), "how": done.how, "event_id": done.sent_id}
        same = {} if done.cause == entry.id else {"letter": done.cause}  # the same message, kept by another agent too
        yield {"what": "redriven", "by": done.by, "at": plain(done.at)} | sent | same
    for after in letters.came_back(entry):
        yield {"what": "came back", "letter": after.id, "at": plain(after.at), "state": letters.state(after)}


def letter_page(told: Mapping[str, Any]) -> None:
    """Print a letter."""
    out = _console()
    about = Table.grid(padding=(0, 2))
    rows = [("reason", f"{told['reason']}: {told['detail']}"), ("agent", told["agent"])]
    rows += [("from", f"{told['topic']}[{told['partition']}]@{told['offset']}, appended {_short(told['at'])} UTC")]
    rows += [("key", "none" if told["key"] is None else repr(told["key"]))]
    rows += [("schema", "none" if told["schema_id"] is None else str(told["schema_id"]))]
    size = (
        "null"
        if told["size"] < 0
        else f"{told['size']:,} bytes" + (", cut: it cannot be sent again as it is" if told["cut"] else "")
    )
    now = (
        f"cannot read it either: {told['refused_now']}"
        if told["refused_now"]
        else "can read it; whether a step takes it only a redrive tells"
    )
    rows += [("value", size), ("this release", now), ("first id", told["first_id"])]
    for name, text in rows:
        about.add_row(Text(name, "dim"), Text(text, overflow="fold"))
    out.print(Panel(about, title=Text(f"letter {told['id']}: {told['state']}", "bold"), title_align="left"))
    _fields(out, told)
    if told["value_hex"]:
        out.print(Text("bytes", "bold"))
        out.print(Text(_dump(bytes.fromhex(told["value_hex"][: 2 * HEX_BYTES]))), highlight=False)
        if len(told["value_hex"]) > 2 * HEX_BYTES:
            out.print(Text(f"… {len(told['value_hex']) // 2 - HEX_BYTES:,} more: --json has them all", "dim"))
    out.print(Text("history", "bold"))
    for step in told["history"]:
        rest = ", ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in step.items() if name not in ("at", "what") and value
        )
        out.print(Text(f"  {_short(step['at'])}  {step['what']:<9}  {rest}", overflow="fold"), highlight=False)


def _fields(out: Console, told: Mapping[str, Any]) -> None:
    if told["fields"] is None:
        out.print(Text(f"fields: not readable, {told['read_by']}; --schema NAME reads them as an event of that name", "yellow"))
        return
    out.print(Text.assemble(("fields", "bold"), f", read by {told['read_by']}"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("field", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("")
    names = [*told["fields"]]
    if told["fault_in"] is not None and told["fault_in"] not in names:
        names.append(told["fault_in"])
    for name in [*names, *(each for each in told["unread"] if each not in names)]:
        read, bad = name in told["fields"], name == told["fault_in"]
        value = Text(str(told["fields"][name])) if read else Text("not readable", "dim")
        table.add_row(Text(name, "bold red" if bad else ""), value, Text("◄ at fault" if bad else "", "bold red"))
    out.print(table)
    if told["bytes_over"]:
        out.print(Text(f"{told['bytes_over']:,} bytes too many behind the last field", "bold red"))


def _dump(raw: bytes) -> str:
    """Return bytes as people look at them.

    >>> _dump(b"\\x00\\x01depot")
    '  0000  00 01 64 65 70 6f 74                             ..depot'
    """
    lines = []
    for at in range(0, len(raw), 16):
        part = raw[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"  {at:04x}  {part.hex(' '):<47}  {text}")
    return "\n".join(lines)


def resend_as_dict(resend: "Resend", refused: str | None) -> dict[str, Any]:
    """Return what would be sent for a letter. refused: why this release could not read it either."""
    letter, key = resend.letter, resend.key
    return {
        "letter": letter.event_id,
        "how": resend.how,
        "topic": letter.origin_topic,
        "key": None if key is None else key.decode(errors="replace"),
        "event_id": resend.sent_id,
        "bytes": None if resend.value is None else len(resend.value),
        "refused_now": refused,
    }


def plan_page(told: Sequence[Mapping[str, Any]], problems: Sequence[Mapping[str, str]]) -> None:
    """Print what would be sent, and why some of it cannot be."""
    out = _console()
    again = sum(row["refused_now"] is not None for row in told)
    out.print(f"Nothing is sent by a dry run. Without --dry-run, {len(told):,} would be sent", end="", highlight=False)
    out.print(f"; {again:,} of them this release cannot read: they would come back." if again else ".", highlight=False)
    for row in told[:SHOWN]:
        out.print(
            f"  {row['letter']}  {row['how']}  to {row['topic']}  key {escape(repr(row['key']))}  event {escape(row['event_id'] or '?')}",
            highlight=False,
            soft_wrap=True,
        )
        if row["refused_now"]:
            out.print(Text(f"      would come back: {row['refused_now']}", "yellow"), soft_wrap=True)
    if len(told) > SHOWN:
        out.print(f"  … and {len(told) - SHOWN:,} more: --json has them all", highlight=False)
    for problem in problems[:SHOWN]:
        out.print(Text(f"  cannot be sent: {problem['why']}", "red"), soft_wrap=True)


def _span(first: str, last: str) -> str:
    """Return two moments in a line.

    >>> _span("2013-01-01T10:00:07Z", "2013-01-01T11:30:00Z"), _span("2013-01-01T10:00:07Z", "2013-01-02T10:00:07Z")
    ('2013-01-01 10:00 to 11:30', '2013-01-01 10:00 to 2013-01-02 10:00')
    """
    start, end = _short(first)[:16], _short(last)[:16]
    return start if start == end else f"{start} to {end[11:] if start[:10] == end[:10] else end}"


def _short(moment: str) -> str:
    return moment[:19].replace("T", " ")


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
