"""Whose fault is it? Two answers that the whole project shares; the third, a bug of ours, is any other exception."""


class Fault(Exception):
    """Something a person can put right: one line that says what is wrong and what to do. Commands print it and exit 1."""


class Unavailable(Exception):
    """The world is away (broker, database, registry): leave the work unacknowledged and try again, with backoff."""
