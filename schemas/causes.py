"""Which dead letters have one cause? Those of one agent, topic and reason whose details say the same but for numbers and ids."""

import re
from dataclasses import dataclass
from functools import lru_cache
from sys import intern

ANY = "#"
"""What stands for a number, an id or a value."""

_FIELD = re.compile(r"field [\w.]+: ")
_DIGITS = re.compile(r"\d+")
# The others see a text in which each run of digits has become a single 0.
_QUOTED = re.compile(r"""(?P<before>\bfound |\bkey, )?(?P<text>(?<!\w)'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
_MOMENT = re.compile(r"0-0-0[T ]0:0(?::0(?:\.0)?)?(?:Z|[+-]0:0)?")
_OCTET = "(?:0|0[a-f]|[a-f]0|[a-f]{2})"
_HEX = re.compile(rf"\b{_OCTET}(?: {_OCTET})+\b")
_NUMBER = re.compile(r"(?<![\w#])[-+]?(?:\w[\w\-]*)?0[\w\-]*(?:[.:,+/]+\w*0[\w\-]*)*")
_STRANGE = re.compile(r"(?<=found )[-+]?(?:nan|inf)\b")
_WORDS = {"UTF-0": "UTF-8"}


@dataclass(frozen=True, slots=True)
class Cause:
    """What letters of one cause have in common."""

    agent: str
    topic: str
    reason: str
    detail: str


def cause_of(agent: str, topic: str, reason: str, detail: str) -> Cause:
    """Return the cause that a letter shows."""
    return _cause(agent, topic, reason, *_parts(detail))


def _parts(detail: str) -> tuple[str, str]:
    """Return what names the field, as it stands, and the rest without its digits: few texts, however many letters."""
    head = _FIELD.match(detail)
    at = head.end() if head else 0
    return detail[:at], _DIGITS.sub("0", detail[at:])


@lru_cache(maxsize=10_000)
def _cause(agent: str, topic: str, reason: str, field: str, rest: str) -> Cause:
    return Cause(intern(agent), intern(topic), intern(reason), intern(field + _normal(rest)))


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
    field, rest = _parts(detail)
    return field + _normal(rest)


def _normal(rest: str) -> str:
    text = _MOMENT.sub(ANY, _QUOTED.sub(_value, rest))
    text = _STRANGE.sub(ANY, _HEX.sub(ANY, text))
    text = _NUMBER.sub(lambda found: _WORDS.get(found[0], ANY), text)
    return re.sub(r"#(?:\s?#)+", ANY, text)


def _value(found: "re.Match[str]") -> str:
    """A quoted text is a value where it says so, or where a digit makes it look like an id; else it may be a name that matters."""
    if found["before"] or "0" in found["text"]:
        return (found["before"] or "") + ANY
    return found["text"]
