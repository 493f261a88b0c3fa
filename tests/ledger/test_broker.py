"""Is all as it should be when the broker stands still, or goes away and comes back?"""

import time

from tests.ledger import broker
from tests.ledger.fleet import fleet
from tests.ledger.ledger import LONG, Ledger, flowing
from tests.ledger.sender import sending
from tests.ledger.test_members import PATIENCE_S, WORKERS

ALONE = True
"""What strikes the broker strikes every scenario."""
STILL_S = 30.0 if LONG else 12.0


def test_the_broker_stands_still(ledger: Ledger) -> None:
    scene = ledger.scene()
    with fleet(scene, WORKERS) as workers, sending(scene) as sender:
        flowing(scene, workers)
        broker.stand_still(ledger.stack, STILL_S)
        flowing(scene, workers)
        time.sleep(2)
        flowing(scene, workers)
        verdict = ledger.close(f"broker stopped {STILL_S:.0f} s", scene, workers, struck=1, sent=sender.finish())

    assert max(verdict.silences_s) < STILL_S + PATIENCE_S


def test_the_broker_is_restarted(ledger: Ledger) -> None:
    scene = ledger.scene()
    with fleet(scene, WORKERS) as workers, sending(scene) as sender:
        flowing(scene, workers)
        away_s = broker.restart(ledger.stack)
        flowing(scene, workers)
        time.sleep(2)
        flowing(scene, workers)
        verdict = ledger.close(f"broker restarted, {away_s:.0f} s away", scene, workers, struck=1, sent=sender.finish())

    assert max(verdict.silences_s) < away_s + PATIENCE_S
