"""How does a worker behave, and how does it reach the world?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.librdkafka import Consumer, Producer
from schemas.event import Event


@dataclass(frozen=True)
class Options:
    """How a worker behaves; the defaults suit one core. Each is a setting of the same name (infra/settings.py)."""

    max_batch: int = 4000
    max_in_flight: int = 131_072
    min_epoch_s: float = 0.05
    letters_in_a_row: int = 1000
    letters_share: float = 0.5
    letters_window: int = 1000
    stuck_after_s: float = 60.0
    member: str = ""


USUAL = Options()


@dataclass(frozen=True)
class Clients:
    """How the engine reaches the world. Consumers and producers are made anew by each call."""

    consumer: Callable[..., Consumer]
    producer: Callable[..., Producer]
    trim: Callable[[str, int, int], None]
    schemas: Callable[[int], Mapping[str, Any] | None]
    schema_ids: Mapping[type[Event], int]
    bundles: Callable[[str], Any]
    passing: Callable[[str], None] = lambda _point: None
    """Told when an epoch has sent its outputs, has them delivered, has written its state, is committed: tests stop there."""
