"""Is all as it should be when the broker stands still, or goes away and comes back?"""

import signal
import time

import pytest

from tests.ledger import broker
from tests.ledger.fleet import fleet
from tests.ledger.ledger import LONG, Ledger, flowing, shared
from tests.ledger.sender import sending
from tests.ledger.test_members import PATIENCE_S, WORKERS

ALONE = True
"""What strikes the broker strikes every scenario."""
STILL_S = 30.0 if LONG else 12.0


def test_the_broker_stands_still(ledger: Ledger) -> None:
    scene = ledger.scene()
    with fleet(scene, WORKERS) as workers, sending(scene) as sender:
        shared(scene, workers)
        broker.stand_still(ledger.stack, STILL_S)
        flowing(scene, workers)
        time.sleep(2)
        flowing(scene, workers)
        verdict = ledger.close(f"broker stopped {STILL_S:.0f} s", scene, workers, struck=1, sent=sender.finish())

    assert max(verdict.silences_s) < STILL_S + PATIENCE_S


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL] if LONG else [signal.SIGTERM], ids=lambda each: each.name)
def test_the_broker_ends_and_comes_back(ledger: Ledger, how: signal.Signals) -> None:
    scene = ledger.scene()
    with fleet(scene, WORKERS) as workers, sending(scene) as sender:
        shared(scene, workers)
        away_s = broker.restart(ledger.stack, how)
        flowing(scene, workers)
        time.sleep(2)
        flowing(scene, workers)
        verdict = ledger.close(f"broker ended by {how.name}, {away_s:.0f} s away", scene, workers, struck=1, sent=sender.finish())

    assert max(verdict.silences_s) < away_s + PATIENCE_S
