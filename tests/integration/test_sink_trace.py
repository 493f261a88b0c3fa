"""Can a person see what happened to one assignment, from what is at rest?"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from consumers.trace import life, unanswered
from infra.stack import StackState
from schemas.dispatch import (
    ASSIGNMENTS,
    DELAY_PREDICTED,
    DRIFT_DETECTED,
    PREDICTION_SCORED,
    AssignmentAccepted,
    DelayPredicted,
    DeliveryCompleted,
    DriftDetected,
    PredictionScored,
)
from tests.builders import USUAL_AT, build
from tests.integration.sink_scene import history, new_database, said

ROOT = Path(__file__).parents[2]
ARRIVED = USUAL_AT + timedelta(hours=4)
JOB = {"assignment_id": "job-1"}


@pytest.fixture(scope="module")
def dsn(stack: StackState) -> Iterator[str]:
    """A history with one whole life, and one that has only begun."""
    with new_database(stack) as dsn:
        store = history(dsn)
        facts = [
            build(AssignmentAccepted, event_id="accepted", **JOB),
            build(AssignmentAccepted, event_id="accepted-2", assignment_id="job-2", at=USUAL_AT + timedelta(days=1)),
            build(DeliveryCompleted, event_id="completed", at=ARRIVED, **JOB),
        ]
        predicted = build(DelayPredicted, event_id="predicted", cause="accepted", delay_s=754.0, features=[1.0, -1e9], **JOB)
        scored = build(
            PredictionScored, event_id="scored", cause="completed", prediction_id="predicted", at=ARRIVED, error_s=274.0, **JOB
        )
        store.write(
            [
                said(PREDICTION_SCORED, [scored]),
                said(DRIFT_DETECTED, [build(DriftDetected, event_id="drift", cause="scored", at=ARRIVED)]),
                said(DELAY_PREDICTED, [predicted]),
                said(ASSIGNMENTS, facts),
            ]
        )
        store.close()
        yield dsn


def _ask(dsn: str, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "affluent", "trace", *words],
        cwd=ROOT,
        env=os.environ | {"AFFLUENT_POSTGRES__DSN": dsn},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("id_", ["job-1", "accepted", "predicted", "scored", "drift"])
def test_a_life_is_found_by_its_assignment_and_by_any_event_of_it(dsn: str, id_: str) -> None:
    found = life(dsn, id_)

    assert found is not None
    assert found.assignment_id == "job-1"
    assert [step.event_id for step in found.steps] == ["accepted", "predicted", "completed", "scored", "drift"]
    assert [step.cause for step in found.steps] == [None, "accepted", None, "completed", "scored"]


def test_a_life_that_has_only_begun_shows_what_there_is(dsn: str) -> None:
    found = life(dsn, "job-2")

    assert found is not None
    assert [step.event for step in found.steps] == [AssignmentAccepted]


def test_nobody_knows_an_unknown_id(dsn: str) -> None:
    assert life(dsn, "never") is None


def test_accepted_assignments_without_a_prediction_are_counted(dsn: str) -> None:
    assert unanswered(dsn) == 1


def test_the_command_prints_a_life_for_people(dsn: str) -> None:
    done = _ask(dsn, "job-1")

    assert done.returncode == 0
    for words in ("assignment job-1", "DelayPredicted", "12.6 min late", "error +4.6 min", "unknown"):
        assert words in done.stdout


def test_the_command_gives_programs_every_field_and_its_place_in_the_log(dsn: str) -> None:
    answer = json.loads(_ask(dsn, "drift", "--json").stdout)

    accepted, predicted, *_ = answer["events"]
    assert accepted["at"] == "2013-03-09T17:30:00Z"
    assert predicted["features"] == [1.0, -1e9]
    assert predicted["log"]["partition"] == 0


def test_a_database_without_our_tables_is_one_clear_line_too(stack: StackState) -> None:
    done = _ask(stack.postgres_dsn.rpartition("/")[0] + "/postgres", "job-1")

    assert done.returncode == 1
    assert "affluent sink" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_unknown_id_is_one_clear_line(dsn: str) -> None:
    done = _ask(dsn, "never")

    assert done.returncode == 1
    assert done.stdout == ""
    assert "'never'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
