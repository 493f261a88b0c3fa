"""What can be set from outside, and what is each setting for? Read once, in a command of `affluent/`, never by a part.

`AFFLUENT_KAFKA__BROKERS` sets `settings.kafka.brokers`: the prefix, then nested nouns with two underscores between them.
"""

import os
from difflib import get_close_matches
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.errors import Fault

PREFIX = "AFFLUENT_"
NESTED = "__"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kafka(_Part):
    """Where the log is, and how to be let in."""

    brokers: str = Field(default="", description="Bootstrap addresses, `host:port,host:port`. Empty: the stack that runs here.")
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Protocol to the brokers."
    )
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        default="", description="How we log in, where the protocol has SASL."
    )
    sasl_username: str = Field(default="", description="Name to log in with.")
    sasl_password: str = Field(default="", repr=False, description="Password to log in with.")
    ca_file: str = Field(default="", description="PEM file of the authorities we trust; empty: the system's.")
    partitions: int | None = Field(
        default=None, ge=1, le=1000, description="Partitions of topics we create; unset: the catalogue's."
    )
    replication: int = Field(default=1, ge=1, le=10, description="Copies of each partition of topics we create.")


class SchemaRegistry(_Part):
    """Where the schemas are kept (Confluent API)."""

    url: str = Field(default="", description="Base address. Empty: the stack that runs here.")


class Postgres(_Part):
    """Where history is kept."""

    dsn: str = Field(
        default="", repr=False, description="`postgresql://user:password@host:port/base`. Empty: the stack that runs here."
    )


class Redis(_Part):
    """Where the latest answers are kept."""

    url: str = Field(default="", repr=False, description="`redis://…` or `rediss://…`. Empty: the stack that runs here.")


class Store(_Part):
    """Where trained models (bundles) are kept, and the keys that sign them."""

    url: str = Field(default="", description="A folder or any fsspec address. Empty: a folder beside the stack's state.")
    key_dir: str = Field(default="", description="Folder of the Ed25519 keys. Empty: `keys` beside the stack's state.")


class Stream(_Part):
    """How a stream worker behaves."""

    max_batch: int = Field(default=4000, ge=1, le=100_000, description="Records of a batch, at most.")
    max_in_flight: int = Field(
        default=131_072, ge=1, description="Records read and not yet committed; more is faster, and repeats more after a crash."
    )
    min_epoch_s: float = Field(default=0.05, ge=0, le=10, description="How old an epoch gets before it is committed, seconds.")
    letters_in_a_row: int = Field(
        default=1000, ge=1, description="Dead letters in a row after which an agent stops: then the fault is ours."
    )
    letters_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of dead letters among a partition's last records above which an agent stops; 1: never.",
    )
    stuck_after_s: float = Field(
        default=60, ge=5, description="Seconds without progress, while Kafka says that records wait, after which a worker ends."
    )
    member: str = Field(
        default="",
        description="Static name of this worker in its group: its partitions wait for it through a restart. Empty: none.",
    )
    letters_window: int = Field(default=1000, ge=1, le=10_000, description="How many last records `letters_share` is about.")


class Metrics(_Part):
    """What a process shows of itself."""

    port: int = Field(default=0, ge=0, le=65_535, description="Port of `/metrics`; 0 takes any free one.")
    host: str = Field(default="127.0.0.1", description="Address it listens on; 0.0.0.0 inside a container.")


class Log(_Part):
    """How a process speaks."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least severe line shown.")
    format: Literal["console", "json"] = Field(default="console", description="For people, or one JSON object a line.")


class Settings(BaseSettings):
    """Every setting of the project. Frozen; a part is handed only its own group."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=NESTED, env_ignore_empty=True, frozen=True)

    kafka: Kafka = Kafka()
    registry: SchemaRegistry = SchemaRegistry()
    postgres: Postgres = Postgres()
    redis: Redis = Redis()
    store: Store = Store()
    stream: Stream = Stream()
    metrics: Metrics = Metrics()
    log: Log = Log()
    stack_dir: str = Field(default="", description="Folder of the embedded stack's state. Empty: the user's state folder.")
    cache_dir: str = Field(default="", description="Folder of downloaded servers. Empty: the user's cache folder.")
    jar_mirror: str = Field(default="", description="Where Java archives come from. Empty: the library's own default.")


def names() -> dict[str, str]:
    """Return every variable that can be set, in order, and what it is for.

    >>> names()["AFFLUENT_METRICS__PORT"]
    'Port of `/metrics`; 0 takes any free one.'
    """
    found: dict[str, str] = {}
    for name, info in Settings.model_fields.items():
        group = info.annotation
        if isinstance(group, type) and issubclass(group, _Part):
            found |= {_variable(name, inner): own.description or "" for inner, own in group.model_fields.items()}
        else:
            found[_variable(name)] = info.description or ""
    return found


def read() -> Settings:
    """Return the settings from the environment.

    Raises Fault that names the first bad variable with what was expected and found. A name that is no setting is bad too: a
    mistyped one would otherwise change nothing, in silence.
    """
    known = names()
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            like = get_close_matches(name, known, n=1, cutoff=0.0)
            raise Fault(f"{name}: there is no such setting; did you mean {like[0]}?")
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        expected = first["msg"].replace("Input should be", "expected")
        raise Fault(f"{_variable(*first['loc'])}: {expected}, found {first['input']!r}") from None


def _variable(*path: str | int) -> str:
    return PREFIX + NESTED.join(str(part).upper() for part in path)
