"""Does an agent's answer depend on its log alone?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import Unavailable
from models.tables import State
from schemas import avro, catalogue
from schemas.columns import Batch, Columns, Reader, Records, encode
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS, DELAY_PREDICTED, AssignmentAccepted, DelayPredicted
from schemas.event import Event
from schemas.letters import DEAD_LETTERS, DeadLetter
from streams.engine.processor import Processor
from streams.engine.topology import Output
from tests.builders import USUAL_AT, build
from tests.toy import COURIERS, POISON, TOY

IDS = {event: i for i, (_, event) in enumerate(catalogue.subjects().values(), 1)}
SCHEMAS = {i: avro.schema(event) for event, i in IDS.items()}
AGENT = TOY.agents["count_jobs"]


def accepted(i: int, **given) -> AssignmentAccepted:
    return build(
        AssignmentAccepted, event_id=f"e{i}", assignment_id=f"a{i}", courier_id=f"c{i % 3}", distance_km=float(i), **given
    )


def tick(number: int) -> Control:
    return build(Control, event_id=f"t{number}", series="hours", number=number, kind="tick", name="hour", value="")


def model(number: int, sha: str) -> Control:
    return build(Control, event_id=f"m{number}", series="models", number=number, kind="model", name="toy", value=sha)


def log(events: list[Event | bytes | None]) -> Records:
    rows = []
    for offset, event in enumerate(events):
        raw = event if not isinstance(event, Event) else encode(Columns.of([event]), IDS[type(event)]).raw(0)
        key = event.depot_id if isinstance(event, AssignmentAccepted) else "control"
        rows.append((offset, 1_700_000_000_000, key.encode(), raw))
    return Records.of(ASSIGNMENTS.name, 0, rows)


def processor(bundles=lambda sha: sha) -> Processor:
    return Processor(AGENT, 0, reader=Reader(ASSIGNMENTS, SCHEMAS.get), schema_ids=IDS, bundles=bundles)


def run(one: Processor, records: Records, cuts: Sequence[int] = ()) -> list[tuple[str, bytes | None]]:
    """Process the records, cut at these places; return each output's class and bytes, letters apart from the rest."""
    out = []
    edges = [0, *sorted(cuts), len(records)]
    for a, b in pairwise(edges):
        if a < b:
            for sent in one.process(records.slice(a, b)).sent:
                out += [(sent.event.__name__, value) for value in sent.values.raws()]
    return sorted(out, key=lambda pair: pair[0])  # stable: within a class the order is that of the log


facts = st.one_of(
    st.integers(0, 30).map(accepted),
    st.integers(0, 30).map(lambda i: accepted(i, items=POISON)),
    st.integers(0, 5).map(tick),
    st.builds(model, st.integers(0, 5), st.sampled_from(["m1", "m2"])),
    st.sampled_from([None, b"", b"\x00\x00", b"\x01garbage"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(facts, max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_random_cuts_of_a_log_change_no_output_and_no_state(events, cuts) -> None:
    records = log(events)
    whole, cut = processor(), processor()

    assert run(whole, records) == run(cut, records, [c for c in cuts if c < len(records)])
    assert whole.state[COURIERS].image().rows.tolist() == cut.state[COURIERS].image().rows.tolist()
    assert (whole.state.numbers, whole.state.models) == (cut.state.numbers, cut.state.models)
    assert whole.recent.head == cut.recent.head


def predictions(effects) -> list[DelayPredicted]:
    sent = [s for s in effects.sent if s.event is DelayPredicted]
    raws = [(i, 0, key, value) for s in sent for i, (key, value) in enumerate(zip(s.keys.raws(), s.values.raws(), strict=True))]
    return list(Reader(DELAY_PREDICTED, SCHEMAS.get).read(Records.of(DELAY_PREDICTED.name, 0, raws)).of(DelayPredicted).rows())


def letters(effects) -> list[DeadLetter]:
    sent = [s for s in effects.sent if s.event is DeadLetter]
    raws = [(i, 0, key, value) for s in sent for i, (key, value) in enumerate(zip(s.keys.raws(), s.values.raws(), strict=True))]
    return list(Reader(DEAD_LETTERS, SCHEMAS.get).read(Records.of(DEAD_LETTERS.name, 0, raws)).of(DeadLetter).rows())


def test_what_raises_alone_becomes_a_letter_and_its_neighbours_are_unharmed() -> None:
    effects = processor().process(log([accepted(1), accepted(4, items=POISON), accepted(7)]))

    assert [p.features for p in predictions(effects)] == [[1.0, 1.0], [2.0, 8.0]]
    (letter,) = letters(effects)
    assert (letter.reason, letter.origin_offset, letter.agent) == ("step_failed", 1, "count_jobs")
    assert letter.detail == "ValueError: the poison was swallowed"
    assert letter.raw_value == log([accepted(4, items=POISON)]).values.raw(0)


def test_a_letter_sent_again_is_not_taken_for_a_repeat() -> None:
    one = processor()
    one.process(log([accepted(1, items=POISON)]))

    assert len(predictions(one.process(log([accepted(1)])))) == 1


def test_a_repeated_event_is_ignored_and_counted() -> None:
    effects = processor().process(log([accepted(1), accepted(1), accepted(2)]))

    assert ([p.assignment_id for p in predictions(effects)], effects.duplicates) == (["a1", "a2"], 1)


def test_the_same_id_at_another_time_is_another_event() -> None:
    effects = processor().process(log([accepted(1), accepted(1, at=USUAL_AT + timedelta(days=30))]))

    assert effects.duplicates == 0


def test_a_model_counts_from_its_place_in_the_log_and_an_old_number_is_ignored() -> None:
    effects = processor().process(log([accepted(1), model(3, "new"), accepted(2), model(2, "old"), accepted(3)]))

    assert [p.model for p in predictions(effects)] == ["", "new", "new"]


def test_a_tick_told_twice_is_obeyed_once() -> None:
    one = processor()
    one.process(log([tick(5), tick(5), tick(4), tick(6)]))

    assert one.state.take_counts()["ticks"] == 2


def test_a_model_that_cannot_be_loaded_now_stops_the_batch_before_it_and_loses_nothing() -> None:
    away = [True]

    def bundles(sha: str) -> str:
        if away[0]:
            raise Unavailable("the store is away")
        return sha

    one, records = processor(bundles), log([accepted(1), b"junk", model(1, "new"), accepted(2), b"junk"])
    effects = one.process(records)

    assert (effects.done, [p.assignment_id for p in predictions(effects)], len(letters(effects))) == (2, ["a1"], 1)
    with pytest.raises(Unavailable):
        one.process(records.slice(2, 5))
    away[0] = False
    rest = one.process(records.slice(2, 5))
    assert ([p.model for p in predictions(rest)], len(letters(rest))) == (["new"], 1)


def test_a_step_that_finds_the_world_away_keeps_what_is_done_and_repeats_nothing() -> None:
    away = [True]

    def step(facts: Batch, state: State) -> Iterator[Output]:
        yield from AGENT.step(facts, state)
        if away[0] and "a5" in facts.of(AssignmentAccepted)["assignment_id"].tolist() and facts.n < 4:
            raise Unavailable("the store is away")

    # The poison makes the step run in halves: the world goes away when the first of them are done.
    records = log(
        [accepted(1), accepted(2), accepted(3), accepted(4), accepted(5), accepted(6, items=POISON), accepted(7), accepted(8)]
    )
    one = Processor(replace(AGENT, step=step), 0, reader=Reader(ASSIGNMENTS, SCHEMAS.get), schema_ids=IDS)
    first = one.process(records)
    away[0] = False
    rest = one.process(records.slice(first.done, 8))

    assert first.done == 4
    assert (len(letters(first)), len(letters(rest)), rest.duplicates) == (0, 1, 0)
    usual = predictions(processor().process(records))
    assert [p.features for p in predictions(first) + predictions(rest)] == [p.features for p in usual]


def test_ids_of_outputs_depend_on_the_fact_and_not_on_where_it_lies() -> None:
    here, there = processor(), processor()
    first = predictions(here.process(log([accepted(1), accepted(2)])))
    second = predictions(there.process(log([b"junk", accepted(2)])))

    assert first[1].event_id == second[0].event_id
    assert np.unique([p.event_id for p in first]).size == 2
