"""Would the ledger notice? A worker whose outputs leave after the commit: the order of effects, broken on purpose."""

from typing import Any

from streams.engine import engine
from streams.engine.epochs import Partition


class Careless(Partition):
    """Writes the state and commits, and only then sends."""

    def fold(self, records: Any, effects: Any, *more: Any) -> None:
        """Keep the outputs back."""
        self.__dict__.setdefault("held", []).append(effects.sent)
        effects.sent = []
        super().fold(records, effects, *more)

    async def close_epoch(self, *how: Any) -> None:
        """Send what was kept back, too late."""
        await super().close_epoch(*how)
        for sent in self.__dict__.pop("held", []):
            self.outbox.send(sent)


def spoil() -> None:
    """Make the engine of this process careless."""
    engine.__dict__["Partition"] = Careless
