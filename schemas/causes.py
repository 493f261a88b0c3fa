"""Which dead letters have one cause? Those of one agent, topic and reason whose details say the same but for numbers and ids."""

import re
from dataclasses import dataclass
from functools import lru_cache
from sys import intern

ANY = "#"
"""What stands for a number, an id or a value."""

_FIELD = re.compile(r"^field [\w.]+: ")
_QUOTED = re.compile(r"""(?P<before>\bfound |\bkey, )?(?P<text>(?<!\w)'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?")
_HEX = re.compile(r"\b[0-9a-f]{2}(?: [0-9a-f]{2})+\b")
_NUMBER = re.compile(r"(?<![\w#])[-+]?(?:\w[\w\-]*)?\d[\w\-]*(?:[.:,+/]+\w*\d[\w\-]*)*")
_STRANGE = re.compile(r"(?<=found )[-+]?(?:nan|inf)\b")
_WORDS = ("UTF-8",)


@dataclass(frozen=True, slots=True)
class Cause:
    """What letters of one cause have in common."""

    agent: str
    topic: str
    reason: str
    detail: str


@lru_cache(maxsize=10_000)
def cause_of(agent: str, topic: str, reason: str, detail: str) -> Cause:
    """Return the cause that a letter shows."""
    return Cause(intern(agent), intern(topic), intern(reason), intern(normal(detail)))


def normal(detail: str) -> str:
    """Return a letter's detail without numbers, ids and values.

    >>> normal("field lateness_s: expected -86400.0 to 604800.0, found 1000000000.0")
    'field lateness_s: expected # to #, found #'
    >>> normal("field depot_id: expected it to be the record's key, 'another-d1'; found 'd1'")
    "field depot_id: expected it to be the record's key, #; found #"
    >>> normal("expected a zero byte and a schema id, found 7b 22 63 61 74")
    'expected a zero byte and a schema id, found #'
    >>> normal("field orders_last_15min: expected UTF-8, found other bytes")
    'field orders_last_15min: expected UTF-8, found other bytes'
    >>> normal("field at: expected a time from 2000-01-01 00:00:00+00:00, found 1900-06-01 00:00:00+00:00")
    'field at: expected a time from #, found #'
    >>> normal("KeyError: 'distance_km'"), normal("KeyError: 'order-17'")
    ("KeyError: 'distance_km'", 'KeyError: #')
    """
    head = _FIELD.match(detail)
    at = head.end() if head else 0
    text = _MOMENT.sub(ANY, _QUOTED.sub(_value, detail[at:]))
    text = _STRANGE.sub(ANY, _HEX.sub(ANY, text))
    text = _NUMBER.sub(lambda found: found[0] if found[0] in _WORDS else ANY, text)
    return detail[:at] + re.sub(r"#(?:\s?#)+", ANY, text)


def _value(found: "re.Match[str]") -> str:
    """A quoted text is a value where it says so, or where a digit makes it look like an id; else it may be a name that matters."""
    if found["before"] or any(letter.isdigit() for letter in found["text"]):
        return (found["before"] or "") + ANY
    return found["text"]
