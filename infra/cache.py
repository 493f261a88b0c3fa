"""How do we speak to Redis (or Valkey)?"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import redis

from infra.errors import Fault, Unavailable


def shown(url: str) -> str:
    """Return the address without user and password.

    >>> shown("redis://:secret@cache:6379/0")
    'cache:6379'
    """
    return urlsplit(url).netloc.rpartition("@")[2]


def client(url: str) -> redis.Redis:
    """Return a client that answers bytes; it connects at its first command. Raises Fault if the address cannot be read."""
    if not url:
        raise Fault("no Redis is known: run `affluent up`, or set AFFLUENT_REDIS__URL to redis://host:port")
    try:
        return redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=10, health_check_interval=30)
    except ValueError as error:
        raise Fault(f"AFFLUENT_REDIS__URL: expected redis://host:port or rediss://host:port, found {shown(url)!r}") from error


@contextmanager
def speaking(url: str) -> Iterator[None]:
    """Turn what Redis answers into our two errors: Fault if we are locked out, Unavailable if it is away, full or loading."""
    try:
        yield
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        raise Fault(f"Redis at {shown(url)} does not let us in ({error}): check AFFLUENT_REDIS__URL") from error
    except redis.RedisError as error:
        raise Unavailable(f"Redis at {shown(url)} is away: {error}") from error
