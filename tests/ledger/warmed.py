"""How does a worker start warm? The fork server imports this module once; every process it forks finds all of it compiled."""

from tests.ledger.worker import child, warm

warm()

__all__ = ["child"]
