"""Is every byte that was published otherwise found, and named? Here the log lies in memory; tests/integration has it in Kafka."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import Fault
from infra.kafka import partition_for
from schemas import avro, catalogue
from schemas.columns import Columns, Reader, Records, encode
from schemas.dispatch import ASSIGNMENTS, DELAY_PREDICTED, AssignmentAccepted, DelayPredicted
from schemas.event import Topic
from schemas.letters import DEAD_LETTERS, DeadLetter
from streams.engine.processor import Processor
from streams.replay.folding import Means
from streams.replay.verdict import Verdict, merged
from streams.replay.verifying import verify
from tests.builders import build
from tests.toy import POISON, TOY

IDS = {event: i for i, (_, event) in enumerate(catalogue.subjects().values(), 1)}
SCHEMAS = {i: avro.schema(event) for event, i in IDS.items()}
MEANS = Means(SCHEMAS.get, IDS, lambda sha: sha)
AGENT = TOY.agents["count_jobs"]
FACTS, PARTITION = 60, 3
LETTERS = partition_for(ASSIGNMENTS.name.encode(), 3)
FIRST_MS, WAIT_MS = 1_700_000_000_000, 7
Row = tuple[int, int, bytes | None, bytes | None]


@dataclass
class MemoryLog:
    """Partitions of (offset, ms, key, value), read a few records at a time."""

    rows: dict[tuple[str, int], list[Row]] = field(default_factory=dict)
    step: int = 7

    def partitions(self, topic: str) -> int:
        return 3 if topic == DEAD_LETTERS.name else 12

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        rows = self.rows.get((topic, partition), [])
        return (rows[0][0], rows[-1][0] + 1) if rows else (0, 0)

    def stretch(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Records]:
        inside = [row for row in self.rows.get((topic, partition), []) if start <= row[0] < stop]
        for at in range(0, len(inside), self.step):
            yield Records.of(topic, partition, inside[at : at + self.step])

    def put(self, topic: Topic, partition: int, key: bytes | None, value: bytes | None, ms: int) -> None:
        rows = self.rows.setdefault((topic.name, partition), [])
        rows.append((len(rows), ms, key, value))


def fact(i: int) -> bytes | None:
    """Good ones, but for some that cannot be read, one that makes the step raise, and one told twice."""
    if i % 20 == 9:
        return b"no avro"
    told = i - 1 if i == 15 else i
    event = build(
        AssignmentAccepted, event_id=f"e{told}", assignment_id=f"a{told}", courier_id=f"c{told % 3}", distance_km=1.5 * told,
        items=POISON if i == 33 else 1,
    )  # fmt: skip
    return encode(Columns.of([event]), IDS[AssignmentAccepted]).raw(0)


def published(until: int = FACTS) -> MemoryLog:
    """Return a log of facts, and of what the agent published while it read them up to `until`."""
    log = MemoryLog()
    for i in range(FACTS):
        log.put(ASSIGNMENTS, PARTITION, b"depot_id-1", fact(i), FIRST_MS + i)
    processor = Processor(AGENT, PARTITION, reader=Reader(ASSIGNMENTS, SCHEMAS.get), schema_ids=IDS)
    for records in log.stretch(ASSIGNMENTS.name, PARTITION, 0, until):
        for sent in processor.process(records).sent:
            where = LETTERS if sent.event is DeadLetter else PARTITION
            for key, value, since in zip(sent.keys.raws(), sent.values.raws(), sent.appended_at.tolist(), strict=True):
                log.put(sent.topic, where, key, value, since + WAIT_MS)
    return log


OUTPUTS, LETTER_PLACE = (DELAY_PREDICTED.name, PARTITION), (DEAD_LETTERS.name, LETTERS)
GOOD, BAD = FACTS - 3 - 1 - 1, 4
Tamper = Callable[[MemoryLog], None]


def checked(log: MemoryLog, **more) -> Verdict:
    return verify(log, AGENT, PARTITION, MEANS, **{"stop": FACTS, "latencies": True} | more)


def told(verdict: Verdict) -> tuple:
    """All that a verdict says, comparable."""
    late = (verdict.latency_ms.tolist(), verdict.appended_ms.tolist())
    none = np.empty(0, np.int64)
    kinds = dict(sorted(verdict.kinds.items()))
    return repr(replace(verdict, kinds=kinds, latency_ms=none, appended_ms=none)), late


def changed(place: tuple[str, int], at: int, **update) -> Tamper:
    """Write another value into some fields of a published record."""

    def tamper(log: MemoryLog) -> None:
        offset, ms, key, value = log.rows[place][at]
        event = next(
            iter(Reader(catalogue.topics()[place[0]], SCHEMAS.get).read(Records.of(*place, [(0, 0, key, value)])).rows())
        )
        other = event.model_copy(update=update)
        log.rows[place][at] = (offset, ms, key, encode(Columns.of([other]), IDS[type(event)]).raw(0))

    return tamper


def other_key(log: MemoryLog) -> None:
    offset, ms, _, value = log.rows[OUTPUTS][10]
    log.rows[OUTPUTS][10] = (offset, ms, b"depot_id-2", value)


def one_byte(log: MemoryLog) -> None:
    offset, ms, key, value = log.rows[OUTPUTS][10]
    log.rows[OUTPUTS][10] = (offset, ms, key, (value or b"")[:-3] + b"\x01" + (value or b"")[-2:])


def unreadable(log: MemoryLog) -> None:
    offset, ms, key, value = log.rows[OUTPUTS][10]
    log.rows[OUTPUTS][10] = (offset, ms, key, (value or b"")[:-3])


def missing(place: tuple[str, int]) -> Tamper:
    def remove(log: MemoryLog) -> None:
        del log.rows[place][1 if place == LETTER_PLACE else 10]

    return remove


def extra(log: MemoryLog) -> None:
    event = build(DelayPredicted, event_id="unheard-of", cause="of-nothing", features=[1.0])
    log.put(DELAY_PREDICTED, PARTITION, b"depot_id-1", encode(Columns.of([event]), IDS[DelayPredicted]).raw(0), FIRST_MS)


def extra_letter(log: MemoryLog) -> None:
    origin = {"origin_topic": ASSIGNMENTS.name, "origin_partition": PARTITION, "origin_offset": 3}
    event = build(DeadLetter, event_id="unheard-of", agent=AGENT.name, **origin)
    log.put(DEAD_LETTERS, LETTERS, ASSIGNMENTS.name.encode(), encode(Columns.of([event]), IDS[DeadLetter]).raw(0), FIRST_MS)


def again(at: int, tamper: Tamper | None = None) -> Tamper:
    def repeat(log: MemoryLog) -> None:
        _, _, key, value = log.rows[OUTPUTS][at]
        log.put(DELAY_PREDICTED, PARTITION, key, value, FIRST_MS + 9_999)
        if tamper is not None:
            tamper(log)

    return repeat


def letters_of_others(log: MemoryLog) -> None:
    origin = {"origin_topic": ASSIGNMENTS.name, "origin_partition": PARTITION, "origin_offset": 3}
    for more in ({"agent": "another", **origin}, {"agent": AGENT.name, **origin, "origin_partition": 4}):
        event = build(DeadLetter, event_id=f"other-{more['agent']}", **more)
        log.put(DEAD_LETTERS, LETTERS, ASSIGNMENTS.name.encode(), encode(Columns.of([event]), IDS[DeadLetter]).raw(0), FIRST_MS)


def test_what_was_published_comes_out_again_letters_too() -> None:
    log = published()
    verdict = checked(log)

    assert len(log.rows[OUTPUTS]) == GOOD
    assert len(log.rows[LETTER_PLACE]) == BAD
    assert (verdict.records, verdict.compared, verdict.mismatches) == (FACTS, GOOD + BAD, 0)
    assert verdict.outputs == {"DelayPredicted": GOOD, "DeadLetter": BAD}
    assert verdict.latency_ms.tolist() == [WAIT_MS] * (GOOD + BAD)
    assert verdict.appended_ms.tolist() == [FIRST_MS + i for i in range(FACTS) if i != 15]


TAMPERED: dict[str, tuple[Tamper, int, str | None, dict[str, int], int]] = {
    # what is done; mismatches; the field that is named; kinds; offset that is told
    "a feature": (changed(OUTPUTS, 10, features=[4.0, 0.5]), 1, "features[1]", {"otherwise": 1}, 11),
    "a number": (changed(OUTPUTS, 10, delay_s=3.0), 1, "delay_s", {"otherwise": 1}, 11),
    "the cause": (changed(OUTPUTS, 10, cause="e3"), 1, "cause", {"otherwise": 1}, 11),
    "the id": (changed(OUTPUTS, 10, event_id="e" * 32), 2, None, {"missing": 1, "extra": 1}, 11),
    "the key": (other_key, 2, None, {"missing": 1, "unreadable": 1}, 10),
    "a byte": (one_byte, 1, "features[1]", {"otherwise": 1}, 11),
    "what makes it readable": (unreadable, 2, None, {"missing": 1, "unreadable": 1}, 10),
    "one is missing": (missing(OUTPUTS), 1, None, {"missing": 1}, 11),
    "one too many": (extra, 1, None, {"extra": 1}, GOOD),
    "a repeat": (again(10, changed(OUTPUTS, GOOD, delay_s=3.0)), 1, "delay_s, published twice", {"twice": 1}, 10),
    "what is repeated": (again(10, changed(OUTPUTS, 10, delay_s=3.0)), 2, "delay_s", {"otherwise": 1, "twice": 1}, 11),
    "a letter": (changed(LETTER_PLACE, 1, detail="bad luck"), 1, "detail", {"otherwise": 1}, 29),
    "a letter's bytes": (changed(LETTER_PLACE, 1, raw_value=b"no avrO"), 1, "raw_value", {"otherwise": 1}, 29),
    "a letter is missing": (missing(LETTER_PLACE), 1, None, {"missing": 1}, 29),
    "a letter too many": (extra_letter, 1, None, {"extra": 1}, BAD),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_whatever_was_tampered_with_is_found_and_named(what: str) -> None:
    tamper, mismatches, field_, kinds, offset = TAMPERED[what]
    log = published()
    tamper(log)

    verdict = checked(log)

    assert (verdict.mismatches, verdict.kinds) == (mismatches, kinds)
    assert verdict.first is not None
    assert (verdict.first.field, verdict.first.offset) == (field_, offset)
    assert verdict.first.published != verdict.first.recomputed


@pytest.mark.parametrize("harmless", [again(10), again(GOOD - 1), letters_of_others])
def test_what_is_published_again_with_the_same_bytes_and_what_others_published_is_no_difference(harmless: Tamper) -> None:
    log = published()
    harmless(log)

    verdict = checked(log)

    assert (verdict.mismatches, verdict.compared) == (0, GOOD + BAD)


@settings(deadline=None, max_examples=60)
@given(
    what=st.sampled_from(["nothing", *TAMPERED]),
    cut=st.integers(1, 70),
    step=st.integers(1, 70),
    window=st.sampled_from([4, 1_000]),
)
def test_no_cut_no_reading_and_no_memory_changes_a_verdict(what: str, cut: int, step: int, window: int) -> None:
    log = published()
    if what != "nothing":
        TAMPERED[what][0](log)
    expected = checked(log)

    log.step = step

    assert told(checked(log, cut=cut, window=window)) == told(expected)


@pytest.mark.parametrize(("tamper", "found"), [(None, 0), (changed(OUTPUTS, GOOD, delay_s=3.0), 1)])
def test_a_repeat_of_what_was_forgotten_is_still_known(tamper: Tamper | None, found: int) -> None:
    log = published()
    again(0, tamper)(log)
    log.step = 2

    verdict = checked(log, cut=2, window=4)

    assert (verdict.mismatches, verdict.kinds) == (found, {"twice": 1} if found else {})


def test_only_the_asked_stretch_is_judged_and_what_lies_behind_is_left_alone() -> None:
    log = published()
    for place, at in ((OUTPUTS, 2), (OUTPUTS, 50), (LETTER_PLACE, 0)):
        changed(place, at, **{"delay_s": 3.0} if place == OUTPUTS else {"detail": "bad luck"})(log)

    verdict = checked(log, start=20, stop=40)

    assert (verdict.mismatches, verdict.records) == (0, 20)
    assert verdict.outputs == {"DelayPredicted": 18, "DeadLetter": 2}
    assert checked(log, start=20, stop=FACTS).mismatches == 1
    assert checked(log, start=0, stop=40).mismatches == 2


def test_the_agent_may_be_behind_its_log() -> None:
    verdict = checked(published(until=30), stop=30)

    assert (verdict.mismatches, verdict.records, verdict.compared) == (0, 30, 30 - 1)


def test_outputs_that_retention_removed_are_counted_and_not_missed() -> None:
    log = published()
    del log.rows[OUTPUTS][:12]

    verdict = checked(log)

    assert (verdict.mismatches, verdict.removed, verdict.begins) == (0, 12, {PARTITION: 13})
    assert verdict.compared == GOOD + BAD - 12
    log.rows[OUTPUTS].pop(3)
    assert checked(log).kinds == {"missing": 1}


def test_facts_that_retention_removed_leave_nothing_to_verify() -> None:
    log = published()
    del log.rows[ASSIGNMENTS.name, PARTITION][:5]

    with pytest.raises(Fault, match=r"begins at offset 5, not 0"):
        checked(log)


def test_verdicts_of_partitions_add_up_in_their_order() -> None:
    log = published()
    changed(OUTPUTS, 10, delay_s=3.0)(log)
    one, two = checked(log), checked(published())

    both = merged(AGENT.name, {4: one, 2: two})

    assert told(both) == told(merged(AGENT.name, {2: two, 4: one}))
    assert (both.mismatches, both.compared, both.first) == (1, 2 * (GOOD + BAD), one.first)
    assert both.outputs == {"DeadLetter": 2 * BAD, "DelayPredicted": 2 * GOOD}
