"""Do the laws hold when the log is in disorder: facts late, told twice, truths before their jobs? And in every order of a few?"""

from collections import Counter
from datetime import timedelta
from itertools import permutations

import numpy as np
import pytest

from models.dispatch.order import ALLOWED_LATENESS_MS
from models.dispatch.tables import DEPOTS, JOBS, LANES, OPEN, ROUTES, SCENES, TRUTHS
from producers.ticks import tick
from schemas.columns import Reader
from schemas.control import Control
from schemas.dispatch import AssignmentAccepted, DeliveryCompleted, WeatherObserved
from schemas.event import Event
from streams.dispatch import TOPOLOGY
from streams.engine.processor import Processor
from tests.builders import USUAL_AT, build
from tests.contract import test_laws as laws
from tests.contract.test_laws import IDS, PREDICT, SCHEMAS, bundles, by_key, everything, logs, run
from tests.deliveries import events, images, small

FACTS = 4_000
MINUTE = timedelta(minutes=1)
HOUR_OF_USUAL = int(USUAL_AT.timestamp()) // 3_600


def disorder(seed: int) -> list[Event]:
    """Real flights as a bad network would tell them: each up to three hours late, one in ten told twice; ticks in their places."""
    random = np.random.default_rng(seed)
    told: list[Event] = list(events("flights", FACTS))
    told = [*told, *(told[i] for i in random.integers(0, len(told), len(told) // 10) if not isinstance(told[i], Control))]
    late_s = [0.0 if isinstance(each, Control) else random.exponential(1_800.0) % 10_800 for each in told]
    heard = [each.at.timestamp() + late for each, late in zip(told, late_s, strict=True)]
    sha = small("flights").sha256
    model = build(Control, event_id="m1", series="models", number=1, kind="model", name="dispatch.delay/flights", value=sha)
    return [model, *(told[i] for i in np.argsort(heard, kind="stable").tolist())]


@pytest.fixture(scope="module")
def story() -> list[Event]:
    return disorder(7)


def test_the_disorder_is_one(story: list[Event]) -> None:
    """Else the tests below would prove nothing."""
    (records,) = logs(story, 1)
    _, left = run(records)
    counts = left.state.take_counts()
    few = {"reordered": 1_000, "late": 200, "unmatched": 20, "truth_came_first": 20}
    assert {name: counts.get(name, 0) >= least for name, least in few.items()} == dict.fromkeys(few, True), counts


@pytest.mark.parametrize("seed", range(3))
def test_a_log_in_disorder_gives_identical_bytes_however_it_is_cut(story: list[Event], seed: int) -> None:
    (records,) = logs(story, 1)
    cuts = np.random.default_rng(seed).integers(0, len(records), [2, 60, 400][seed]).tolist()
    (whole, left), (cut, right) = run(records), run(records, cuts)
    assert whole == cut
    assert images(left.state) == images(right.state)
    assert left.state.take_counts() == right.state.take_counts()


def test_a_log_in_disorder_gives_identical_outputs_on_one_three_and_twelve_partitions(story: list[Event]) -> None:
    one, three, twelve = (by_key(everything(story, n)) for n in (1, 3, 12))
    assert sum(map(len, one.values())) > FACTS / 2
    assert one == three == twelve


def test_truths_that_wait_are_read_back_with_the_state_and_meet_their_jobs_after_it(story: list[Event]) -> None:
    (records,) = logs(story, 1)
    heard: dict[tuple[type[Event], str], int] = {}
    for place, event in enumerate(story):
        if isinstance(event, AssignmentAccepted | DeliveryCompleted):
            heard.setdefault((type(event), event.assignment_id), place)
    waits = [
        place
        for (kind, job), place in heard.items()
        if place < heard.get((AssignmentAccepted, job), 0) and kind is DeliveryCompleted
    ]
    for place in waits[::8]:
        _, before = run(records.slice(0, place + 1))
        assert len(before.state[TRUTHS]) > 0
        laws.test_state_read_back_from_its_log_goes_on_with_identical_bytes(story, (place + 1.5) / len(records))


def job(name: str, minutes: float) -> AssignmentAccepted:
    at = USUAL_AT + minutes * MINUTE
    given = {"promised_at": USUAL_AT + 30 * MINUTE, "planned_s": 1_800.0, "source": "flights", "courier_id": name}
    return build(AssignmentAccepted, event_id=f"{name}/accepted", assignment_id=name, at=at, **given)


def done(name: str, minutes: float) -> DeliveryCompleted:
    at = USUAL_AT + minutes * MINUTE
    return build(DeliveryCompleted, event_id=f"{name}/completed", assignment_id=name, at=at, courier_id=name)


HISTORY = (
    job("a", 0), job("b", 7), done("a", 31), done("b", 44),
    build(WeatherObserved, at=USUAL_AT + 12 * MINUTE), job("a", 0),  # told twice
)  # fmt: skip
FIRST = build(
    Control, event_id="m1", series="models", number=1, kind="model", name="dispatch.delay/flights", value=small("flights").sha256
)


def of_order(number: int, order: tuple[int, ...]) -> list[Event]:
    """A model, the history in this order, and an hour's tick somewhere in it: a different place for each order."""
    told: list[Event] = [HISTORY[i] for i in order]
    told.insert(number % (len(told) + 1), tick(HOUR_OF_USUAL))
    return [FIRST, *told]


def test_every_order_of_a_small_history_with_a_duplicate_and_a_tick_keeps_the_promise() -> None:
    known: dict[str, dict[str, np.ndarray]] = {}
    for number, order in enumerate(permutations(range(len(HISTORY)))):
        (records,) = logs(of_order(number, order), 1)
        one = Processor(PREDICT, 0, reader=Reader(PREDICT.reads, SCHEMAS.get), schema_ids=IDS, bundles=bundles)
        effects = one.process(records)
        assert effects.duplicates == 1, order
        assert effects.letters == {}, order
        sent = Counter(each.event.__name__ for each in effects.sent for _ in range(len(each.ids)))
        assert sent == {"DelayPredicted": 2, "PredictionScored": 2}, order
        assert len({id_ for each in effects.sent for id_ in each.ids.tolist()}) == 4, order
        assert [len(one.state[spec]) for spec in (JOBS, OPEN, TRUTHS)] == [0, 0, 0], order
        for spec in (DEPOTS, LANES, ROUTES, SCENES):
            rows = one.state[spec].image().rows
            for name in ("seen", "last_at", "last_s", "mean_s", "ewma_s", "short_weight", "newest_at", "starts_2h", "line_xx"):
                if name in (spec.dtype.names or ()):
                    same = known.setdefault(spec.name, {}).setdefault(name, rows[name])
                    np.testing.assert_allclose(rows[name], same, rtol=1e-12, err_msg=f"{spec.name}.{name} {order}")


def test_what_is_declared_is_what_the_folds_do() -> None:
    assert PREDICT.lateness_ms == ALLOWED_LATENESS_MS
    assert "predict_delay" in TOPOLOGY.map()
    assert f"allows lateness: {ALLOWED_LATENESS_MS // 1000} s" in TOPOLOGY.map()
