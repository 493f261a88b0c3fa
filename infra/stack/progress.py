"""How does the stack say what it is doing, without knowing who listens?"""

from typing import Protocol


class Progress(Protocol):
    """A listener; called from several threads."""

    def fetch(self, server: str, done: int, total: int) -> None:
        """So many bytes of a server's downloads are here."""

    def step(self, server: str, doing: str) -> None:
        """A server has come to its next step: a word or a short sentence for people."""


class Quiet:
    """Nobody listens."""

    def fetch(self, server: str, done: int, total: int) -> None:
        """Say nothing."""

    def step(self, server: str, doing: str) -> None:
        """Say nothing."""
