"""Is all as it should be when workers are killed between output, state and commit, again and again?"""

import random
import signal

import pytest

from tests.ledger.fleet import fleet
from tests.ledger.ledger import LONG, Ledger, flowing
from tests.ledger.scene import POINTS, Scene, Stop
from tests.ledger.sender import sending

TIMES = 50 if LONG else 3
RATE = 1_000


def strike(ledger: Ledger, scene: Scene, point: str, times: int) -> int:
    """Kill workers at a point of an epoch until it was done so often, under load; returns how many facts were sent.

    Each start has a group of its own: the dead one's would keep its partitions for a session. The state log knows the place.
    """
    chance = random.Random(point)
    with fleet(scene) as workers, sending(scene, RATE) as sender:
        for number in range(times):
            stop = Stop(point, chance.randint(1, 40), signal.SIGKILL)
            worker = workers.start(scene.but(stop=stop, group=f"{scene.name}-{number}"))
            code = worker.wait()
            assert code == -signal.SIGKILL, f"ended with {code}: {worker.words()}"
            workers.workers.remove(worker)
        workers.start()
        flowing(scene, workers)
        sent = sender.finish()
        lags = ledger.settle(scene, workers)
    assert not any(lags), lags
    return sent


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_of_an_epoch(ledger: Ledger, point: str) -> None:
    scene = ledger.scene()
    sent = strike(ledger, scene, point, TIMES)

    ledger.note(f"SIGKILL when {point}", scene, struck=TIMES, sent=sent)


def test_the_ledger_notices_outputs_that_leave_after_the_commit(ledger: Ledger) -> None:
    scene = ledger.scene().but(careless=True)

    strike(ledger, scene, "written", 2)

    verdict = ledger.verdict(scene, [0])
    assert verdict.missing > 0
    assert (verdict.wrong, verdict.memory) == (0, 0)
