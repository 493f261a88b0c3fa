"""How does a process speak? In events with fields, for people on a terminal or as one JSON object a line.

    log = structlog.get_logger()
    log.warning("dead letter", topic="dispatch.assignments.v1", partition=3, offset=17, reason="not_finite")

Fields that hold for a while are bound: `with about(topic=…, partition=…, key=…):`. Lines of libraries come out the same way.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import structlog

from infra.settings import Log

ORDER = ("timestamp", "level", "logger", "event", "topic", "partition", "offset", "key")
"""What a reader looks for first; the other fields follow in the order they were given."""
LOUD = ("aiokafka", "asyncio", "faust", "mode", "kafka", "httpx2", "alembic", "urllib3")
"""Libraries whose information is of no use to an operator: their warnings are."""


def configure(log: Log, stream: IO[str] | None = None) -> None:
    """Send our lines and those of libraries to `stream` (standard error) as the settings ask."""
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if log.format == "json":
        last: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            _ordered,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    else:
        last = [structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
    for name in LOUD:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


@contextmanager
def about(**fields: str | int) -> Iterator[None]:
    """Put these fields on every line spoken inside, by us or by a library: topic, partition, key."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def _ordered(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    first = {name: event[name] for name in ORDER if name in event}
    return first | {name: value for name, value in event.items() if name not in first}
