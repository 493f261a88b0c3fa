"""Is nothing lost or doubled where a write is cut in pieces?"""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.stretch import Stretch, halves, in_portions, stretch
from schemas import avro
from schemas.columns import Columns, Reader, encode
from schemas.columns.records import Message
from schemas.dispatch import DELAY_PREDICTED, DelayPredicted
from tests.builders import many

READER = Reader(DELAY_PREDICTED, lambda _id: avro.schema(DelayPredicted))


def made(counts: list[int], *, every: timedelta = timedelta(seconds=1), gap: int = 0) -> Stretch:
    """Return a stretch of partitions with so many predictions each; partition p is at offset 100 p, with gaps between records."""
    found: list[tuple[int, int, list[Message]]] = []
    for partition, count in enumerate(counts):
        said = many(DelayPredicted, count, every=every, event_id=lambda i, p=partition: f"{p}-{i}")
        start = 100 * partition
        found.append(
            (
                partition,
                start,
                [
                    (start + gap + i * (gap + 1), 1_000 + i, event.key.encode(), encode(Columns.of([event]), 1).raw(0))
                    for i, event in enumerate(said)
                ],
            )
        )
    return stretch(READER, found)


def ids(*stretches: Stretch) -> list[str]:
    """Return the ids in stretches, in order."""
    return [event.event_id for each in stretches for event in each.batch.rows()]


def test_a_stretch_knows_the_partition_of_each_record_and_where_each_leads() -> None:
    one = made([2, 1], gap=3)

    assert one.partitions.tolist() == [0, 0, 1]
    assert [(span.partition, span.start, span.end, span.count) for span in one.spans] == [(0, 0, 8, 2), (1, 100, 104, 1)]


@settings(deadline=None)
@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=4), gap=st.integers(0, 2), data=st.data())
def test_what_is_cut_fits_together_again(counts: list[int], gap: int, data: st.DataObject) -> None:
    whole = made(counts, gap=gap)
    position = data.draw(st.integers(0, whole.batch.n))

    head, tail = whole.cut(position)

    assert ids(head, tail) == ids(whole)
    assert head.partitions.tolist() + tail.partitions.tolist() == whole.partitions.tolist()
    reached = {span.partition: span.start for span in whole.spans}
    for span in (*head.spans, *tail.spans):
        assert span.count > 0
        assert span.start == reached[span.partition]
        reached[span.partition] = span.end
    assert reached == {span.partition: span.end for span in whole.spans}


@settings(deadline=None)
@given(counts=st.lists(st.integers(1, 8), min_size=1, max_size=4))
def test_halves_end_at_single_records(counts: list[int]) -> None:
    def split(some: list[Stretch]) -> list[Stretch]:
        if sum(each.batch.n for each in some) == 1:
            return some
        first, second = halves(some)
        return split(list(first)) + split(list(second))

    whole = made(counts)

    single = split([whole])

    assert [each.batch.n for each in single] == [1] * whole.batch.n
    assert ids(*single) == ids(whole)


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_a_portion_touches_at_most_so_many_days(most: int) -> None:
    stretches = [made([3, 4], every=timedelta(hours=13)), made([2], every=timedelta(days=40)), made([1])]

    portions = list(in_portions(stretches, most))

    assert ids(*(each for portion in portions for each in portion)) == ids(*stretches)
    for portion in portions:
        assert sum(len(np.unique(each.batch.at // 86_400_000)) for each in portion) <= most


def test_records_taken_out_leave_the_offsets_as_they_are() -> None:
    whole = made([3])

    left = whole.without(np.array([False, True, False]))

    assert ids(left) == ["0-0", "0-2"]
    assert left.spans == whole.spans
