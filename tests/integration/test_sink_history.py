"""Does every event come to rest in a real Postgres exactly once, as it was said?"""

import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers import migrations
from consumers.history import REFUSALS, counts
from consumers.migrations.scope import OPTIONS
from consumers.stretch import Overtaken, Stretch
from consumers.tables import METADATA, name_of
from infra import postgres
from infra.errors import Fault, Unavailable
from infra.stack import StackState
from schemas.control import Control
from schemas.dispatch import ASSIGNMENTS, DELAY_PREDICTED, AssignmentAccepted, DelayPredicted, DeliveryCompleted
from schemas.event import Event, Topic
from tests.builders import build, events, many
from tests.integration.sink_scene import CLASSES, contents, history, new_database, raw, rows, said, wire

ANY = Topic("dispatch.any.v1", key="depot_id")
FACTS = [
    *many(AssignmentAccepted, 20, every=timedelta(hours=3)),
    *many(DeliveryCompleted, 20, every=timedelta(hours=3)),
]


@pytest.fixture(scope="module")
def shared(stack: StackState) -> Iterator[str]:
    with new_database(stack) as dsn:
        yield dsn


@pytest.fixture
def dsn(stack: StackState) -> Iterator[str]:
    with new_database(stack) as dsn:
        yield dsn


def _ids(dsn: str, event: type[Event]) -> list[str]:
    return [id_ for (id_,) in rows(dsn, f"SELECT event_id FROM {name_of(event)} ORDER BY event_id")]


def _write(dsn: str, *stretches: Stretch, sink: str = "sink") -> None:
    store = history(dsn, sink)
    store.offsets([(each.topic.name, span.partition) for each in stretches for span in each.spans])
    try:
        store.write(stretches)
    finally:
        store.close()


@pytest.mark.parametrize("event", CLASSES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_every_event_reads_back_as_it_was_said(shared: str, event: type[Event], data: st.DataObject) -> None:
    run = uuid4().hex  # hypothesis draws the same twice
    drawn = data.draw(st.lists(events(event), min_size=1, max_size=4))
    some = [each.model_copy(update={"event_id": f"{run}-{i}"}) for i, each in enumerate(drawn)]
    fit = {each.event_id: each for each in some if "\0" not in repr(each).replace("\\x00", "\0")}

    _write(shared, said(Topic(f"dispatch.{run}.v1", key="depot_id"), some))

    names = ", ".join(event.model_fields)
    found = rows(shared, f"SELECT {names} FROM {name_of(event)} WHERE event_id LIKE '{run}%'")
    assert {row[0]: dict(zip(event.model_fields, row, strict=True)) for row in found} == {
        id_: {name: getattr(each, name) for name in event.model_fields} for id_, each in fit.items()
    }


def test_a_row_says_where_in_the_log_it_stands(dsn: str) -> None:
    _write(dsn, said(ASSIGNMENTS, FACTS[:2], partition=3))

    assert rows(dsn, "SELECT kafka_partition, kafka_offset FROM assignment_accepted ORDER BY 2") == [(3, 0), (3, 1)]


def test_what_is_read_again_from_the_start_changes_nothing(dsn: str) -> None:
    first, second = said(ASSIGNMENTS, FACTS), said(DELAY_PREDICTED, many(DelayPredicted, 30, features=[1.5, -2.0]))
    _write(dsn, first, second)
    before = contents(dsn)

    again = history(dsn)
    again.rewind()
    again.write([first, second])
    again.close()
    _write(dsn, second, first, sink="another")

    assert contents(dsn) == before
    assert sum(len(found) for found in before.values()) == 70


def test_an_event_told_twice_in_one_batch_is_one_row(dsn: str) -> None:
    _write(dsn, said(ASSIGNMENTS, [*FACTS, *FACTS]))

    assert len(_ids(dsn, AssignmentAccepted)) == 20
    assert rows(dsn, "SELECT max(kafka_offset) FROM assignment_accepted") == [(19,)]


def test_repeats_among_new_rows_are_absorbed_after_a_batch_without_any(dsn: str) -> None:
    store = history(dsn)
    store.write([said(ASSIGNMENTS, FACTS[:10])])
    store.write([said(ASSIGNMENTS, FACTS[10:12], start=10)])  # now COPY writes straight into the table

    store.write([said(ASSIGNMENTS, FACTS[5:], start=12)])
    store.close()

    assert _ids(dsn, AssignmentAccepted) == sorted(each.event_id for each in FACTS[:20])
    assert _ids(dsn, DeliveryCompleted) == sorted(each.event_id for each in FACTS[20:])
    assert rows(dsn, "SELECT count(*) FROM sink_letters") == [(0,)]


def test_the_offsets_say_where_to_go_on(dsn: str) -> None:
    _write(dsn, said(ASSIGNMENTS, FACTS, partition=2))

    assert history(dsn).offsets([(ASSIGNMENTS.name, 2), (ASSIGNMENTS.name, 9)]) == {
        (ASSIGNMENTS.name, 2): 40,
        (ASSIGNMENTS.name, 9): 0,
    }


def test_a_zombie_that_writes_late_changes_nothing_and_learns_where_to_go_on(dsn: str) -> None:
    zombie, living = history(dsn), history(dsn)
    old = build(AssignmentAccepted, event_id="only the zombie read this")
    living.write([said(ASSIGNMENTS, FACTS)])
    before = contents(dsn)

    with pytest.raises(Overtaken) as overtaken:
        zombie.write([said(ASSIGNMENTS, [old]), said(DELAY_PREDICTED, many(DelayPredicted, 3))])

    assert overtaken.value.now == {(ASSIGNMENTS.name, 0): 40}
    assert contents(dsn) == before
    zombie.write([said(ASSIGNMENTS, [old], start=40)])
    assert len(_ids(dsn, AssignmentAccepted)) == 21


def test_of_two_events_with_one_id_the_first_stays_and_the_second_is_kept_as_a_letter(dsn: str) -> None:
    first, second = build(AssignmentAccepted, courier_id="first"), build(AssignmentAccepted, courier_id="second")

    _write(dsn, said(ASSIGNMENTS, [first, first, second]))

    assert rows(dsn, "SELECT courier_id FROM assignment_accepted") == [("first",)]
    ((reason, offset, value),) = rows(dsn, "SELECT reason, kafka_offset, raw_value FROM sink_letters")
    assert (reason, offset, value) == ("repeated_id", 2, wire(second)[1])


def test_an_order_is_kept_once_for_each_log_it_was_copied_into(dsn: str) -> None:
    order = build(Control)

    _write(dsn, said(ASSIGNMENTS, [order, order], partition=0), said(ASSIGNMENTS, [order], partition=1), sink="one")
    _write(dsn, said(ASSIGNMENTS, [order], partition=1), sink="two")

    assert rows(dsn, "SELECT kafka_partition, kafka_offset FROM control ORDER BY 1") == [(0, 0), (1, 0)]


def test_a_text_that_postgres_cannot_keep_is_a_letter_and_its_neighbours_are_rows(dsn: str) -> None:
    bad = build(AssignmentAccepted, event_id="bad", route_id="a\0b")

    _write(dsn, said(ASSIGNMENTS, [*FACTS, bad]))

    assert len(_ids(dsn, AssignmentAccepted)) == 20
    assert rows(dsn, "SELECT reason, raw_value FROM sink_letters") == [("bad_text", wire(bad)[1])]


def test_a_value_that_postgres_refuses_for_a_reason_we_did_not_foresee_is_found_and_set_aside(dsn: str) -> None:
    with postgres.connect(dsn, name="test") as session:
        session.execute("ALTER TABLE assignment_accepted ALTER COLUMN route_id TYPE varchar(12)")
    bad = many(AssignmentAccepted, 2, route_id="longer than twelve", event_id=lambda i: f"bad-{i}")

    _write(dsn, said(ASSIGNMENTS, [FACTS[0], bad[0], *FACTS[1:], bad[1]]))

    assert _ids(dsn, AssignmentAccepted) == sorted(each.event_id for each in FACTS[:20])
    assert rows(dsn, "SELECT kafka_offset, raw_value FROM sink_letters ORDER BY 1") == [
        (1, wire(bad[0])[1]),
        (41, wire(bad[1])[1]),
    ]
    assert history(dsn).offsets([(ASSIGNMENTS.name, 0)]) == {(ASSIGNMENTS.name, 0): 42}


def test_a_table_that_refuses_everything_is_our_fault_and_stops_the_sink(dsn: str) -> None:
    with postgres.connect(dsn, name="test") as session:
        session.execute("ALTER TABLE assignment_accepted ALTER COLUMN route_id TYPE varchar(3)")

    with pytest.raises(Fault, match="value too long"):
        _write(dsn, said(ASSIGNMENTS, many(AssignmentAccepted, 300)))

    (refused,) = rows(dsn, "SELECT count(*) FROM sink_letters")
    assert refused == (REFUSALS,)


def test_an_unreadable_prediction_is_kept_whole_but_an_unreadable_fact_is_the_agents_business(dsn: str) -> None:
    noise: list[tuple[bytes | None, bytes | None]] = [(b"k", b"noise"), (b"k", None), wire(build(DelayPredicted))]

    _write(dsn, raw(DELAY_PREDICTED, noise), raw(ASSIGNMENTS, noise[:2]))

    assert rows(dsn, "SELECT kafka_topic, reason, raw_key, raw_value FROM sink_letters ORDER BY kafka_offset") == [
        (DELAY_PREDICTED.name, "not_framed", b"k", b"noise"),
        (DELAY_PREDICTED.name, "null", b"k", None),
    ]
    assert len(_ids(dsn, DelayPredicted)) == 1


def test_events_of_three_years_in_one_batch_each_find_their_day(dsn: str) -> None:
    spread = many(AssignmentAccepted, 400, every=timedelta(days=3))

    _write(dsn, said(ASSIGNMENTS, spread))

    assert len(_ids(dsn, AssignmentAccepted)) == 400
    (days,) = rows(dsn, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'assignment_accepted'::regclass")
    assert days == (400,)


def test_two_sinks_that_meet_at_the_same_new_days_both_write(dsn: str) -> None:
    failures: list[BaseException] = []

    def one(partition: int) -> None:
        try:
            spread = many(AssignmentAccepted, 60, every=timedelta(days=1), event_id=lambda i: f"{partition}-{i}")
            _write(dsn, said(ASSIGNMENTS, spread, partition=partition), sink=str(partition))
        except BaseException as failure:  # noqa: BLE001  # shown below
            failures.append(failure)

    threads = [threading.Thread(target=one, args=(partition,)) for partition in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(_ids(dsn, AssignmentAccepted)) == 180


def test_a_day_that_somebody_dropped_is_made_again(dsn: str) -> None:
    store = history(dsn)
    store.write([said(ASSIGNMENTS, FACTS[:1])])
    with postgres.connect(dsn, name="test") as session:
        session.execute("DROP TABLE days.assignment_accepted_20130309")

    with pytest.raises(Unavailable):
        store.write([said(ASSIGNMENTS, FACTS[:1], start=1)])
    store.write([said(ASSIGNMENTS, FACTS[:1], start=1)])
    store.close()

    assert len(_ids(dsn, AssignmentAccepted)) == 1


def test_a_session_that_the_server_ended_is_opened_again(dsn: str) -> None:
    store = history(dsn)
    store.write([said(ASSIGNMENTS, FACTS[:1])])
    with postgres.connect(dsn, name="test") as session:
        session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sink'")

    with pytest.raises(Unavailable):
        store.write([said(ASSIGNMENTS, FACTS[1:2], start=1)])
    store.write([said(ASSIGNMENTS, FACTS[1:2], start=1)])
    store.close()

    assert len(_ids(dsn, AssignmentAccepted)) == 2


def test_a_commit_that_the_server_forgot_is_noticed(dsn: str) -> None:
    store = history(dsn)
    store.write([said(ASSIGNMENTS, FACTS[:2])])
    with postgres.connect(dsn, name="test") as session:
        session.execute("UPDATE sink_offsets SET next_offset = 1 WHERE topic = %s AND partition = 0", [ASSIGNMENTS.name])

    with pytest.raises(Overtaken) as overtaken:
        store.write([said(ASSIGNMENTS, FACTS[2:3], start=2)])

    assert overtaken.value.now == {(ASSIGNMENTS.name, 0): 1}


def test_the_migrations_make_the_tables_that_the_classes_say(dsn: str) -> None:
    with postgres.engine(dsn).connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=OPTIONS), METADATA)

    assert differences == [], "an event changed: write the next migration (consumers.migrations.write)"


def test_the_days_of_sinks_are_nothing_a_migration_would_touch(dsn: str) -> None:
    _write(dsn, said(ASSIGNMENTS, FACTS))

    test_the_migrations_make_the_tables_that_the_classes_say(dsn)


def test_processes_that_start_together_migrate_once(stack: StackState, dsn: str) -> None:
    with postgres.connect(dsn, name="test") as session:
        session.execute("DROP SCHEMA public CASCADE; DROP SCHEMA days CASCADE; CREATE SCHEMA public")
    failures: list[BaseException] = []

    def one() -> None:
        try:
            migrations.migrate(dsn)
        except BaseException as failure:  # noqa: BLE001  # shown below
            failures.append(failure)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert set(counts(dsn).values()) == {0}


def test_what_columns_mean_is_written_beside_them(dsn: str) -> None:
    table = "'delay_predicted'::regclass"

    query = f"SELECT col_description({table}, attnum) FROM pg_attribute WHERE attname = 'delay_s' AND attrelid = {table}"

    assert rows(dsn, query) == [("Expected minus promised arrival; negative is early; null if we abstained. [s]",)]


@pytest.mark.parametrize("wrong", ["affluent:x@", "nobody:x@"])
def test_a_locked_door_is_a_fault_and_says_which_setting(stack: StackState, wrong: str) -> None:
    address = stack.postgres_dsn.rpartition("@")[2]

    with pytest.raises(Fault, match="does not let us in") as fault:
        postgres.connect(f"postgresql://{wrong}{address}", name="test")

    assert "AFFLUENT_POSTGRES__DSN" in str(fault.value)
    assert ":x@" not in str(fault.value)


def test_nobody_at_the_address_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1/"):
        postgres.connect("postgresql://affluent@127.0.0.1:1/none", name="test")
