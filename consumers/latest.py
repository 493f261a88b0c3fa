"""What did we last say about one key? A hash in Redis, with the time it was said of, gone after an hour.

A write carries its place in the log; a script lets it through only if what is there came from an earlier one, so an old answer
never wins, whoever writes it and however often. From another partition (the key moved) the later event time wins.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import redis

from consumers.stretch import Partition, Stretch
from infra import cache
from infra.metrics import SinkMetrics
from schemas.columns.values import moment
from schemas.event import Event

TTL_S = 3600

_WRITE = """
local there = redis.call('HMGET', KEYS[1], 'partition', 'offset', 'at')
if there[2] then
  if there[1] == ARGV[1] then
    if tonumber(there[2]) >= tonumber(ARGV[2]) then return 0 end
  elseif tonumber(there[3]) > tonumber(ARGV[3]) then return 0 end
end
redis.call('HSET', KEYS[1], 'partition', ARGV[1], 'offset', ARGV[2], 'at', ARGV[3], 'appended_at', ARGV[4], 'value', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[6])
return 1
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """Which fields of an event are the answer for its key, and under which prefix it is found."""

    event: type[Event]
    prefix: str
    key: str
    fields: tuple[str, ...]

    def name(self, key: str) -> str:
        """Return the key in Redis."""
        return f"{self.prefix}:{key}"


class Latest:
    """The latest answers, written from the log."""

    name = "redis"

    def __init__(self, url: str, answer: Answer, *, metrics: SinkMetrics, now: Callable[[], float], ttl_s: int = TTL_S) -> None:
        """now: seconds since 1970. ttl_s: how long an answer is kept."""
        self._url, self._answer, self._metrics, self._now, self._ttl_s = url, answer, metrics, now, ttl_s
        self._client: redis.Redis | None = None

    def offsets(self, _partitions: Sequence[Partition]) -> None:
        """Go on where the group committed: what is written twice changes nothing."""
        return

    def write(self, stretches: Sequence[Stretch]) -> None:
        """Write the last answer of each key, in one pipeline."""
        newest: dict[str, tuple[Any, ...]] = {}
        for stretch in stretches:
            newest |= self._answers(stretch)
        if self._client is None:
            self._client = cache.client(self._url)
        script = self._client.register_script(_WRITE)
        with cache.speaking(self._url), self._client.pipeline(transaction=False) as pipeline:
            for key, arguments in newest.items():
                script(keys=[self._answer.name(key)], args=[*arguments, self._ttl_s], client=pipeline)
            new = sum(pipeline.execute())
        self._metrics.rows.labels(self._answer.prefix).inc(new)

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _answers(self, stretch: Stretch) -> dict[str, tuple[Any, ...]]:
        """Return the arguments of the script for the last answer of each key."""
        batch, event = stretch.batch, self._answer.event
        order = batch.order(event)
        places = zip(
            *(each[order].tolist() for each in (stretch.partitions, batch.offsets, batch.at, batch.appended_at)), strict=True
        )
        values = batch.of(event).tuples((self._answer.key, *self._answer.fields))
        last = {key: (place, said) for place, (key, *said) in zip(places, values, strict=True)}
        return {
            key: (*place, json.dumps(dict(zip(self._answer.fields, said, strict=True)), default=_iso))
            for key, (place, said) in last.items()
        }


def _iso(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def read(client: redis.Redis, answer: Answer, key: str, *, now: Callable[[], float]) -> dict[str, Any] | None:
    """Return the latest answer for a key, or None. Beside its fields: `at` (event time), `age_s` since then, `heard_s` since the
    log took it."""
    found = cast("dict[bytes, bytes]", client.hgetall(answer.name(key)))
    if not found:
        return None
    at_ms, appended_ms = int(found[b"at"]), int(found[b"appended_at"])
    said: dict[str, Any] = json.loads(found[b"value"])
    ages = {"at": moment(at_ms).isoformat(), "age_s": now() - at_ms / 1000, "heard_s": now() - appended_ms / 1000}
    return {answer.key: key, **said, **ages}
