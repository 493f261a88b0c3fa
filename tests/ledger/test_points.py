"""Is all as it should be when workers are killed between output, state and commit, again and again?"""

import random
import signal

import pytest

from tests.ledger.fleet import fleet
from tests.ledger.ledger import LONG, Ledger, flowing
from tests.ledger.scene import POINTS, Stop
from tests.ledger.sender import sending

TIMES = 50 if LONG else 3


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_of_an_epoch(ledger: Ledger, point: str) -> None:
    """A group of its own for each start: the dead one's would keep its partitions for a session. The state log knows the place."""
    scene, chance = ledger.scene(), random.Random(point)
    with fleet(scene) as workers:
        with sending(scene) as sender:
            for number in range(TIMES):
                stop = Stop(point, chance.randint(1, 60), signal.SIGKILL)
                worker = workers.start(scene.but(stop=stop, group=f"{scene.name}-{number}"))
                code = worker.wait()
                assert code == -signal.SIGKILL, f"ended with {code}: {worker.words()}"
                workers.workers.remove(worker)
            workers.start()
            flowing(scene, workers)
        ledger.close(f"SIGKILL when {point}", scene, workers, struck=TIMES, sent=sender.sent, silent=False)
