"""How does the world learn that a model version is trained, in force or gone? By one event that the relay carries on."""

from datetime import datetime

from producers.client import Producer
from schemas.control import ModelVersionChanged, Stage


def announce(
    producer: Producer, *, model: str, version: str, sha256: str, stage: Stage, at: datetime, note: str = ""
) -> ModelVersionChanged:
    """Publish that a model version entered a stage, and return the event once Kafka has confirmed it.

    model: what and for whom, `dispatch.delay/flights`. sha256: of the bundle's manifest; version: its first 12 digits. at: when.
    Saying the same twice is one event. Raises Undelivered.
    """
    change = ModelVersionChanged(
        event_id=f"{model}/{version}/{stage}/{at:%Y%m%dT%H%M%S}", at=at, model=model, version=version, stage=stage, sha256=sha256,
        note=note,
    )  # fmt: skip
    producer.send(change)
    producer.flush()
    return change
