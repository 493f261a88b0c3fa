"""How are agents steered? By records in their own log.

A model version, a setting or a tick of the clock reaches an agent only as a `Control` record that the relay copies into
every partition of each facts topic. So it has one exact place in each log, and the same place on replay.
"""

from typing import ClassVar, Literal

from pydantic import Field

from schemas.event import Event, Id, Note, Topic

MODEL_VERSIONS = Topic("models.versions.v1", key="model", partitions=1, retention=None)

Stage = Literal["unknown", "trained", "shadowing", "promoted", "rolled_back", "obsolete"]


class ModelVersionChanged(Event):
    """A model version entered a new stage of its life."""

    topic: ClassVar = MODEL_VERSIONS
    model: Id = Field(description="What it is and for whom: `dispatch.delay/flights`.")
    version: Id = Field(description="The version: first 12 hex digits of the bundle's hash.")
    stage: Stage = Field(description="The stage it is in from now on.")
    sha256: Id = Field(description="SHA-256 of the bundle's manifest, hex.")
    note: Note = Field(default="", description="Why, for people.")


class Control(Event):
    """One order to an agent, copied into its log. The topic it lies in is a facts topic, not one of its own."""

    series: Id = Field(description="Who numbers it: `hours` for ticks, else the topic it was copied from.")
    number: int = Field(ge=0, description="Grows within a series; an agent ignores a number not above the last it obeyed.")
    kind: Literal["unknown", "model", "tick", "setting"] = Field(description="What it changes.")
    name: Id = Field(description="The model, the clock (`hour`) or the setting it is about.")
    value: Note = Field(description="The model's bundle hash, the setting's value; empty for a tick.")
