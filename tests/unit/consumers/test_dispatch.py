"""Does every event of dispatch come to rest?"""

from consumers.dispatch import DELAY, ours, sinks
from schemas import catalogue
from schemas.columns import Columns
from schemas.control import MODEL_VERSIONS, ModelVersionChanged
from schemas.letters import DEAD_LETTERS, DeadLetter
from tests.builders import build
from tests.unit.consumers.fakes import FakeSource, FakeStore

HISTORY, LATEST = FakeStore(FakeSource({})), FakeStore(FakeSource({}))


def test_every_topic_of_the_domain_and_its_share_of_the_common_ones_goes_into_the_history() -> None:
    own = {topic for topic in catalogue.topics().values() if topic.domain == "dispatch"}

    read = {sink.reads for sink in sinks(HISTORY, lambda _answer: LATEST) if sink.into is HISTORY}

    assert read == own | {MODEL_VERSIONS, DEAD_LETTERS}


def test_only_common_topics_are_read_in_part() -> None:
    partly = {sink.reads for sink in sinks(HISTORY, lambda _answer: LATEST) if sink.where is not None}

    assert partly == {MODEL_VERSIONS, DEAD_LETTERS}


def test_a_model_or_a_letter_of_another_domain_is_not_ours() -> None:
    models = Columns.of([build(ModelVersionChanged, model=name) for name in ("dispatch.delay/flights", "ledger.fraud/all")])
    letters = Columns.of([build(DeadLetter, origin_topic=name) for name in ("dispatcher.x.v1", "dispatch.assignments.v1")])

    assert ours("model")(models).tolist() == [True, False]
    assert ours("origin_topic")(letters).tolist() == [False, True]


def test_the_latest_answer_has_only_fields_of_its_event() -> None:
    assert {DELAY.key, *DELAY.fields} <= set(DELAY.event.model_fields)
