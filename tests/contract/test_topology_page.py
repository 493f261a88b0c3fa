"""Is the page about the agents what the agents say?"""

from affluent.topics import PAGE, page


def test_the_page_is_the_map() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `affluent topics map --write`"
