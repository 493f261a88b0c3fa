"""Are settings read as documented, and is a bad one told in one clear line?"""

import os

import pytest

from infra.errors import Fault
from infra.settings import PREFIX, Settings, names, read


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


def test_a_variable_sets_the_noun_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFLUENT_KAFKA__BROKERS", "a:1,b:2")
    monkeypatch.setenv("AFFLUENT_STACK_DIR", "/somewhere")
    assert (read().kafka.brokers, read().stack_dir) == ("a:1,b:2", "/somewhere")


def test_an_empty_variable_leaves_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFLUENT_KAFKA__PARTITIONS", "")
    assert read() == Settings()


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("AFFLUENT_METRICS__PORT", "99999", "AFFLUENT_METRICS__PORT: expected less than or equal to 65535, found '99999'"),
        ("AFFLUENT_KAFKA__PARTITIONS", "many", "AFFLUENT_KAFKA__PARTITIONS: expected a valid integer, unable to"),
        ("AFFLUENT_LOG__LEVEL", "loud", "AFFLUENT_LOG__LEVEL: expected 'debug', 'info', 'warning' or 'error', found 'loud'"),
        (
            "AFFLUENT_KAFKA__BROKER",
            "a:1",
            "AFFLUENT_KAFKA__BROKER: there is no such setting; did you mean AFFLUENT_KAFKA__BROKERS?",
        ),
        (
            "AFFLUENT_KAFK__BROKERS",
            "a:1",
            "AFFLUENT_KAFK__BROKERS: there is no such setting; did you mean AFFLUENT_KAFKA__BROKERS?",
        ),
    ],
)
def test_a_bad_variable_is_named_with_what_was_expected_and_found(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, line: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(Fault) as fault:
        read()
    assert str(fault.value).startswith(line)


def test_a_password_mistaken_for_a_setting_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFLUENT_POSTGRES__PASSWORD", "hunter2")
    with pytest.raises(Fault) as fault:
        read()
    assert "hunter2" not in str(fault.value)


def test_passwords_are_not_in_what_is_printed_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFLUENT_KAFKA__SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("AFFLUENT_POSTGRES__DSN", "postgresql://me:hunter2@db/base")
    assert "hunter2" not in repr(read())


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, text in names().items() if not text.endswith(".")] == []
