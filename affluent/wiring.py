"""Which servers do we speak to? Those the environment names; for the rest, the stack that runs on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.settings import Settings, read

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from infra.stack.state import StackState


def settings() -> Settings:
    """Return the settings, addresses of the running stack filled in where the environment names none.

    An address that neither knows stays empty: the client that needs it says so, naming `affluent up` and the variable.
    Raises Fault for a bad variable, or if addresses are missing and a server of the running stack has died.
    """
    given = read()
    addresses = (given.kafka.brokers, given.registry.url, given.postgres.dsn, given.redis.url)
    return _filled(given, None if all(addresses) else _running(given))


def stack_directory(given: Settings) -> Path:
    """Return the folder of the embedded stack, where models and keys are kept too unless set otherwise."""
    from infra.stack.places import default_directory

    return Path(given.stack_dir).expanduser() if given.stack_dir else default_directory()


@dataclass(frozen=True)
class Process:
    """What a long-running command stands on."""

    settings: Settings
    registry: "CollectorRegistry"
    port: int


@contextmanager
def process(job: str) -> Iterator[Process]:
    """Give a long-running command its settings, speak as they ask, and show its metrics to the stack's Prometheus meanwhile.

    job: what kind of process it is, such as `stream-dispatch`.
    """
    from infra import logs, metrics
    from infra.stack import targets

    given = settings()
    logs.configure(given.log)
    registry = metrics.process_registry()
    port = metrics.serve(registry, given.metrics.port, given.metrics.host)
    stack = _running(given)
    if stack is not None:
        targets.announce(stack.directory, job, port)
    try:
        yield Process(given, registry, port)
    finally:
        if stack is not None:
            targets.withdraw(stack.directory, job, port)


def _running(given: Settings) -> "StackState | None":
    from infra.stack.state import running

    return running(stack_directory(given))


def _filled(given: Settings, stack: "StackState | None") -> Settings:
    folder = stack_directory(given)
    found: dict[str, dict[str, Any]] = {"store": {"url": str(folder / "models"), "key_dir": str(folder / "keys")}}
    if stack is not None:
        found |= {
            "kafka": {"brokers": stack.brokers},
            "registry": {"url": stack.registry_url},
            "postgres": {"dsn": stack.postgres_dsn},
            "redis": {"url": stack.redis_url},
        }
    for group, values in found.items():
        part = getattr(given, group)
        missing = {name: value for name, value in values.items() if not getattr(part, name)}
        given = given.model_copy(update={group: part.model_copy(update=missing)})
    return given
