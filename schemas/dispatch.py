"""What happens in dispatch: jobs are accepted and completed, drivers come and go, the weather turns."""

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from schemas.event import Derived, Event, Feature, Id, Moment, Note, Topic

ASSIGNMENTS = Topic("dispatch.assignments.v1", key="depot_id", retention=None, facts=True)
DELAY_PREDICTED = Topic("dispatch.delay-predicted.v1", key="depot_id")
PREDICTION_SCORED = Topic("dispatch.prediction-scored.v1", key="depot_id")
DRIFT_DETECTED = Topic("dispatch.drift-detected.v1", key="depot_id", retention=timedelta(days=3650))

A_WEEK_S = 604_800.0


class AssignmentAccepted(Event):
    """A courier took a job and is on the way."""

    topic: ClassVar = ASSIGNMENTS
    assignment_id: Id = Field(description="The job.")
    depot_id: Id = Field(description="Where it starts: jobs and drivers of a depot are decided together.")
    company_id: Id = Field(description="Who runs it.")
    courier_id: Id = Field(description="Who or what carries it.")
    route_id: Id = Field(description="Where it goes, as a name that repeats.")
    source: Id = Field(description="System that reports it; models are trained per source.")
    promised_at: Moment = Field(description="When the customer was told it arrives.")
    lateness_s: float = Field(ge=-A_WEEK_S, le=A_WEEK_S, description="Start minus planned start; negative is early.")
    planned_s: float = Field(ge=0, le=A_WEEK_S, description="Planned duration from planned start to promised arrival.")
    distance_km: float = Field(ge=0, le=50_000, description="Length of the way.")
    items: int = Field(ge=0, le=1_000_000, description="How many things are carried; 0 where that has no meaning.")
    utc_offset_s: int = Field(ge=-64_800, le=64_800, description="The depot's local time minus UTC at that moment.")


class DeliveryCompleted(Event):
    """A job arrived. The moment it happened is the truth a prediction is judged by."""

    topic: ClassVar = ASSIGNMENTS
    assignment_id: Id = Field(description="The job.")
    depot_id: Id = Field(description="The depot it started from.")
    company_id: Id = Field(description="Who ran it.")
    courier_id: Id = Field(description="Who carried it in the end.")
    route_id: Id = Field(description="Where it went, as in the acceptance.")


class DriverAvailabilityChanged(Event):
    """A courier came on duty, went off, or moved."""

    topic: ClassVar = ASSIGNMENTS
    depot_id: Id = Field(description="The depot this courier works from.")
    courier_id: Id = Field(description="Who.")
    company_id: Id = Field(description="For whom.")
    available: bool = Field(description="True if a job can be given.")
    latitude_deg: float | None = Field(default=None, ge=-90, le=90, description="Where, WGS 84; null if unknown.")
    longitude_deg: float | None = Field(default=None, ge=-180, le=180, description="Where, WGS 84; null if unknown.")


class WeatherObserved(Event):
    """The weather at a depot. A reading that a station did not give is null."""

    topic: ClassVar = ASSIGNMENTS
    depot_id: Id = Field(description="Where.")
    temperature_c: float | None = Field(default=None, ge=-90, le=60, description="Air temperature.")
    dew_point_c: float | None = Field(default=None, ge=-90, le=60, description="Dew point.")
    humidity_pct: float | None = Field(default=None, ge=0, le=110, description="Relative humidity.")
    wind_mps: float | None = Field(default=None, ge=0, le=150, description="Mean wind.")
    gust_mps: float | None = Field(default=None, ge=0, le=150, description="Strongest gust.")
    precipitation_mm: float | None = Field(default=None, ge=0, le=500, description="Rain or melted snow in the hour.")
    pressure_hpa: float | None = Field(default=None, ge=800, le=1100, description="Pressure at sea level.")
    visibility_km: float | None = Field(default=None, ge=0, le=100, description="How far one sees.")


Rung = Literal["unknown", "champion", "previous", "baseline", "abstained"]


class DelayPredicted(Derived):
    """How late we expect one assignment to be. `at` is the moment of acceptance."""

    topic: ClassVar = DELAY_PREDICTED
    assignment_id: Id = Field(description="The job.")
    depot_id: Id = Field(description="Its depot.")
    company_id: Id = Field(description="Its company.")
    courier_id: Id = Field(description="Its courier.")
    source: Id = Field(description="System that reported it.")
    promised_at: Moment = Field(description="What the customer was told.")
    delay_s: float | None = Field(description="Expected minus promised arrival; negative is early; null if we abstained.")
    low_s: float | None = Field(description="Lower end of the 80 % interval of the delay.")
    high_s: float | None = Field(description="Upper end of the 80 % interval of the delay.")
    baseline_s: float | None = Field(description="What the best simple rule says.")
    model: Note = Field(description="Model and version that said so; empty if we abstained.")
    rung: Rung = Field(description="Which step of the degrade ladder answered.")
    reason: Note = Field(
        default="", description="Why it was not the champion, or that the job was told late or by a wrong clock; else empty."
    )
    features: list[Feature] = Field(
        description="What the model saw, in its bundle's order, nan where not known; learning reuses exactly this."
    )


class PredictionScored(Derived):
    """A prediction met its truth. `at` is the moment the truth happened; the cause is the completed delivery, or the acceptance
    if that was told after it.
    """

    topic: ClassVar = PREDICTION_SCORED
    prediction_id: Id = Field(description="The prediction's event id.")
    assignment_id: Id = Field(description="The job.")
    depot_id: Id = Field(description="Its depot.")
    company_id: Id = Field(description="Its company.")
    source: Id = Field(description="System that reported it.")
    predicted_at: Moment = Field(description="When we said it.")
    delay_s: float = Field(description="What we said: expected minus promised arrival.")
    low_s: float = Field(description="Lower end of the interval we gave.")
    high_s: float = Field(description="Upper end of the interval we gave.")
    baseline_s: float = Field(description="What the simple rule said.")
    actual_s: float = Field(description="The truth: actual minus promised arrival.")
    error_s: float = Field(description="Predicted minus actual.")
    baseline_error_s: float = Field(description="The rule's prediction minus actual.")
    covered: bool = Field(description="True if the truth lay inside the interval.")
    label_lag_s: float = Field(description="From prediction to truth, in event time.")
    model: Note = Field(description="Model and version that was judged.")
    features: list[Feature] = Field(description="What the model saw then; training rows are made of these.")


class DriftDetected(Derived):
    """The errors of a model changed their level."""

    topic: ClassVar = DRIFT_DETECTED
    depot_id: Id = Field(description="The depot whose predictions drifted.")
    source: Id = Field(description="System that reported them.")
    model: Note = Field(description="Model and version in force when it was found.")
    kind: Literal["unknown", "error"] = Field(description="What drifted.")
    severity: Literal["unknown", "low", "medium", "high"] = Field(description="How much: by the ratio of error after to before.")
    detector: Note = Field(description="What found it, with its version.")
    before_s: float = Field(description="Mean absolute error before the change, by the detector's window.")
    after_s: float = Field(description="Mean absolute error since.")
    labels: int = Field(ge=0, description="How many scored predictions the detector has seen.")
