"""Does the newest answer always win in a real Valkey, in whatever order answers are written?"""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from consumers.dispatch import DELAY
from consumers.latest import TTL_S, Answer, Latest, read
from infra import cache
from infra.errors import Fault, Unavailable
from infra.metrics import SinkMetrics
from infra.stack import StackState
from schemas.dispatch import DELAY_PREDICTED, DelayPredicted
from tests.builders import USUAL_AT, build
from tests.integration.sink_scene import NOW_S, said


class Scene:
    """One store under a prefix of its own."""

    def __init__(self, url: str) -> None:
        """url: of the server."""
        self.answer = Answer(DELAY.event, prefix=uuid4().hex, key=DELAY.key, fields=DELAY.fields)
        self.metrics = SinkMetrics(CollectorRegistry())
        self.store = Latest(url, self.answer, metrics=self.metrics, now=lambda: NOW_S)
        self.client = cache.client(url)

    def write(self, offset: int, *delays_s: float, partition: int = 0, after_s: float = 0.0) -> None:
        """Write predictions of job j from this offset on."""
        at = USUAL_AT + timedelta(seconds=after_s)
        events = [build(DelayPredicted, assignment_id="j", delay_s=delay, at=at) for delay in delays_s]
        self.store.write([said(DELAY_PREDICTED, events, partition=partition, start=offset)])

    def delay_s(self) -> float | None:
        """Return what is said now."""
        found = read(self.client, self.answer, "j", now=lambda: NOW_S)
        return None if found is None else found["delay_s"]


@pytest.fixture
def scene(stack: StackState) -> Iterator[Scene]:
    made = Scene(stack.redis_url)
    yield made
    made.store.close()
    made.client.close()


def test_an_answer_says_what_the_event_said_and_how_old_it_is(scene: Scene) -> None:
    scene.write(0, 90.0)

    found = read(scene.client, scene.answer, "j", now=lambda: USUAL_AT.timestamp() + 12)

    assert found is not None
    assert {name: found[name] for name in ("assignment_id", "delay_s", "rung", "at", "promised_at")} == {
        "assignment_id": "j", "delay_s": 90.0, "rung": "champion",
        "at": "2013-03-09T17:30:00+00:00", "promised_at": "2013-03-09T18:30:00+00:00",
    }  # fmt: skip
    assert found["age_s"] == pytest.approx(12)
    assert 0 < scene.client.ttl(f"{scene.answer.prefix}:j") <= TTL_S


def test_of_one_batch_the_last_wins_and_one_row_is_counted(scene: Scene) -> None:
    scene.write(0, 1.0, 2.0, 3.0)

    assert scene.delay_s() == 3.0
    assert scene.metrics.rows.labels(scene.answer.prefix)._value.get() == 1


def test_what_is_written_twice_or_late_changes_nothing(scene: Scene) -> None:
    scene.write(7, 7.0)
    scene.write(7, 70.0)
    scene.write(3, 3.0, after_s=100)

    assert scene.delay_s() == 7.0


def test_from_another_partition_the_later_event_wins(scene: Scene) -> None:
    scene.write(7, 7.0)
    scene.write(2, 2.0, partition=1, after_s=-1)
    assert scene.delay_s() == 7.0

    scene.write(3, 3.0, partition=1, after_s=+1)
    assert scene.delay_s() == 3.0


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(list(range(6))))
def test_in_any_order_the_newest_stays(stack: StackState, order: list[int]) -> None:
    scene = Scene(stack.redis_url)

    for offset in order:
        scene.write(offset, float(offset))

    assert scene.delay_s() == 5.0


def test_a_server_that_forgot_our_script_is_told_again(scene: Scene) -> None:
    scene.write(0, 1.0)
    scene.client.script_flush()

    scene.write(1, 2.0)

    assert scene.delay_s() == 2.0


def test_an_unknown_key_has_no_answer(scene: Scene) -> None:
    assert scene.delay_s() is None


def test_a_wrong_password_is_a_fault_and_nobody_is_unavailable(stack: StackState) -> None:
    address = stack.redis_url.rpartition("@")[2]
    prediction = said(DELAY_PREDICTED, [build(DelayPredicted)])

    with pytest.raises(Fault, match="AFFLUENT_REDIS__URL"):
        Scene(f"redis://:wrong@{address}").store.write([prediction])
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 "):
        Scene("redis://127.0.0.1:1").store.write([prediction])
