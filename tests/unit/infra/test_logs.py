"""Does a process speak in fields, its libraries too?"""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from infra.logs import about, configure
from infra.settings import Log


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before[0], before[1]
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_what_is_bound_stands_on_every_line_inside_and_on_none_after() -> None:
    configure(Log(format="json"), out := io.StringIO())
    with about(topic="dispatch.assignments.v1", partition=3, key="JFK"):
        structlog.get_logger("engine").warning("dead letter", reason="not_finite")
        logging.getLogger("librdkafka").error("broker %s is away", "b1")
    structlog.get_logger("engine").info("done")
    ours, theirs, after = lines(out)
    assert (ours["event"], ours["topic"], ours["partition"], ours["key"]) == ("dead letter", "dispatch.assignments.v1", 3, "JFK")
    assert (theirs["event"], theirs["topic"], theirs["logger"]) == ("broker b1 is away", "dispatch.assignments.v1", "librdkafka")
    assert "topic" not in after


def test_a_line_of_json_opens_with_when_how_bad_and_who() -> None:
    configure(Log(format="json"), out := io.StringIO())
    structlog.get_logger("engine").info("started", port=1)
    assert list(lines(out)[0])[:4] == ["timestamp", "level", "logger", "event"]


def test_lines_below_the_level_are_not_spoken() -> None:
    configure(Log(level="warning", format="json"), out := io.StringIO())
    structlog.get_logger("engine").info("started")
    logging.getLogger("faust").info("started")
    assert out.getvalue() == ""


def test_an_exception_in_json_is_one_line() -> None:
    configure(Log(format="json"), out := io.StringIO())
    try:
        raise ValueError("expected 3")
    except ValueError:
        structlog.get_logger("engine").exception("failed")
    (line,) = lines(out)
    assert "expected 3" in str(line["exception"])


def test_people_get_a_plain_line() -> None:
    configure(Log(format="console"), out := io.StringIO())
    structlog.get_logger("engine").info("started", port=1)
    assert "started" in out.getvalue()
    assert "port=1" in out.getvalue()
    assert "\x1b" not in out.getvalue()
