"""Does a terminal show where the servers are, and never their passwords?"""

from hypothesis import given
from hypothesis import strategies as st

from affluent.stack import _masked

SECRETS = st.text(st.sampled_from("abcXYZ019-_~."), min_size=8, max_size=40)


@given(SECRETS, SECRETS)
def test_addresses_are_shown_without_their_passwords(one: str, other: str) -> None:
    shown = _masked(
        {
            "brokers": "127.0.0.1:9092",
            "postgres_dsn": f"postgresql://affluent:{one}@127.0.0.1:5432/affluent",
            "redis_url": f"redis://:{other}@127.0.0.1:6379/0",
            "prometheus_url": None,
        }
    )
    assert shown == {
        "brokers": "127.0.0.1:9092",
        "postgres_dsn": "postgresql://affluent:***@127.0.0.1:5432/affluent",
        "redis_url": "redis://:***@127.0.0.1:6379/0",
        "prometheus_url": None,
        "passwords": "in `affluent status --json`",
    }


def test_where_there_are_none_nothing_is_said_of_passwords() -> None:
    assert _masked({"brokers": "127.0.0.1:9092"}) == {"brokers": "127.0.0.1:9092"}
