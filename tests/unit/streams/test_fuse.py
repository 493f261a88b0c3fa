"""Does the fuse blow at the same record however the log is cut, and never for a few bad messages?"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import Fault
from schemas.columns import Records
from streams.engine.fuse import Fuse
from streams.engine.processor import EVENT, LETTER, NEUTRAL, Effects


def judge(fuse: Fuse, fates: Sequence[int], *, partition: int = 0, start: int = 0) -> None:
    """Let the fuse judge a batch of records with these fates."""
    records = Records.of("facts.v1", partition, [(start + i, 0, b"k", b"v") for i in range(len(fates))])
    effects = Effects(done=len(fates), first_letter=(0, "malformed", "field a: the record ends inside this field"))
    effects.fates = np.array(fates, np.int8)
    fuse.judge("agent", records, effects)


def blows_at(fates: Sequence[int], cuts: Sequence[int], **limits) -> int | None:
    """Return the first of these batches that is refused, as the number of its first record; None if none is."""
    fuse = Fuse(**limits)
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(fates)}), len(fates)]
    for first, last in pairwise(edges):
        try:
            judge(fuse, fates[first:last], start=first)
        except Fault:
            return first
    return None


def first_too_many(fates: Sequence[int], *, in_a_row: int, share: float, window: int) -> int | None:
    """Return the number of the record at which a limit is passed: the definition, one record at a time."""
    run, seen = 0, []
    for number, fate in enumerate(fates):
        if fate == NEUTRAL:
            continue
        run = run + 1 if fate == LETTER else 0
        seen.append(fate == LETTER)
        if run >= in_a_row or (len(seen) >= window and sum(seen[-window:]) > share * window):
            return number
    return None


log = st.lists(st.sampled_from([EVENT, EVENT, LETTER, LETTER, LETTER, NEUTRAL]), min_size=1, max_size=60)


@settings(max_examples=300, deadline=None)
@given(
    log, st.lists(st.integers(1, 59), max_size=8), st.integers(2, 9), st.sampled_from([0.3, 0.5, 0.75, 1.0]), st.integers(1, 12)
)
def test_the_batch_that_holds_the_letter_too_many_is_refused_and_none_before_it(fates, cuts, in_a_row, share, window) -> None:
    limits = {"in_a_row": in_a_row, "share": share, "window": window}
    guilty = first_too_many(fates, **limits)

    refused = blows_at(fates, cuts, **limits)

    edges = [0, *sorted({cut for cut in cuts if cut < len(fates)})]
    assert refused == (None if guilty is None else max(edge for edge in edges if edge <= guilty))


@settings(max_examples=150, deadline=None)
@given(log, st.lists(st.integers(1, 59), max_size=8), st.integers(2, 9), st.integers(2, 12))
def test_a_worker_that_starts_again_at_every_batch_knows_as_much_as_one_that_never_stopped(fates, cuts, in_a_row, window) -> None:
    limits = {"in_a_row": in_a_row, "share": 0.5, "window": window}
    edges = [0, *sorted({cut for cut in cuts if cut < len(fates)}), len(fates)]
    memory, refused = "", None
    for first, last in pairwise(edges):
        fuse = Fuse(**limits)
        fuse.remember("facts.v1", 0, memory)
        try:
            judge(fuse, fates[first:last], start=first)
        except Fault:
            refused = first
            break
        memory = fuse.memory("facts.v1", 0)

    assert refused == blows_at(fates, cuts, **limits)


def test_letters_between_events_of_one_batch_are_counted_too() -> None:
    fuse = Fuse(1000, share=1.0)

    with pytest.raises(Fault, match="1,500 messages in a row"):
        judge(fuse, [EVENT] * 1000 + [LETTER] * 1500 + [EVENT] * 1000)


def test_a_share_counts_where_every_other_message_is_good() -> None:
    judge(Fuse(10, share=0.5, window=100), [EVENT, LETTER] * 500)  # half is not more than half

    with pytest.raises(Fault, match="67 of 100 messages became dead letters"):
        judge(Fuse(10, share=0.5, window=100), [EVENT, LETTER] * 500 + [EVENT, LETTER, LETTER] * 500)


def test_few_messages_are_not_judged_by_their_share() -> None:
    judge(Fuse(1000, share=0.5, window=1000), [LETTER] * 600 + [EVENT] * 399)


def test_partitions_are_judged_apart() -> None:
    fuse = Fuse(10, share=1.0)
    judge(fuse, [LETTER] * 9, partition=0)
    judge(fuse, [LETTER] * 9, partition=1)

    with pytest.raises(Fault, match=r"facts.v1\[1\]"):
        judge(fuse, [LETTER], partition=1)


def test_a_refused_batch_leaves_no_trace_so_that_it_can_be_judged_again() -> None:
    fuse = Fuse(10, share=1.0)
    judge(fuse, [EVENT] + [LETTER] * 5)
    for _ in range(2):
        with pytest.raises(Fault, match="10 messages in a row"):
            judge(fuse, [LETTER] * 5)
    judge(fuse, [LETTER] * 4)


def test_a_partition_that_was_given_away_is_not_judged_by_what_was_known_then() -> None:
    fuse = Fuse(10, share=1.0)
    judge(fuse, [LETTER] * 9)
    fuse.remember("facts.v1", 0, "")

    judge(fuse, [LETTER] * 9)


def test_a_clean_partition_needs_hardly_any_room_in_the_state_log_and_a_dirty_one_little() -> None:
    fuse = Fuse(1000)
    judge(fuse, [EVENT] * 5000)
    assert len(fuse.memory("facts.v1", 0)) < 10
    assert len(fuse.memory("facts.v1", 7)) < 10

    judge(fuse, [LETTER] * 3)
    assert 0 < len(fuse.memory("facts.v1", 0)) < 300


def test_the_message_names_the_place_the_first_fault_and_the_next_step() -> None:
    with pytest.raises(Fault) as fault:
        judge(Fuse(3), [LETTER] * 3, start=40)

    said = str(fault.value)
    assert "\n" not in said
    assert all(
        word in said
        for word in (
            "agent: facts.v1[0]",
            "offset 40",
            "malformed",
            "field a",
            "AFFLUENT_STREAM__LETTERS_IN_A_ROW",
            "Nothing of this",
        )
    )
