"""Is all as it should be while workers come, go, die and stand still?"""

import random
import signal
import time

from streams.engine.watchdog import STUCK
from tests.ledger.fleet import Fleet, fleet
from tests.ledger.ledger import LONG, Ledger, eventually, flowing, shared
from tests.ledger.scene import HANG, Scene, Stop
from tests.ledger.sender import sending

SESSION_S = 10.0
"""How long the stack's broker waits for a silent member."""
PATIENCE_S = 2 * SESSION_S
"""No partition may be idle for longer after a single fault."""
STOP_S = 5.0
WORKERS = 3


def test_workers_killed_one_at_a_time(ledger: Ledger) -> None:
    scene, chance, kills = ledger.scene(), random.Random(1), 5 if LONG else 1
    with fleet(scene, WORKERS) as workers, sending(scene) as sender:
        shared(scene, workers)
        for _ in range(kills):
            time.sleep(chance.uniform(0.2, 2.0))
            workers.kill(chance.choice(workers.workers))
            workers.start()
            time.sleep(SESSION_S)
            shared(scene, workers)
        verdict = ledger.close("SIGKILL, one at a time", scene, workers, struck=kills, sent=sender.finish())

    assert max(verdict.silences_s) < PATIENCE_S


def test_a_kill_loop(ledger: Ledger) -> None:
    scene, chance, kills = ledger.scene(), random.Random(2), 20 if LONG else 3
    with fleet(scene, WORKERS) as workers, sending(scene) as sender:
        shared(scene, workers)
        for _ in range(kills):
            time.sleep(chance.uniform(0.3, 3.0))
            workers.kill(chance.choice(workers.workers))
            workers.start()
        flowing(scene, workers, patience_s=120)
        ledger.close("SIGKILL, in a loop", scene, workers, struck=kills, sent=sender.finish())


def test_rolling_restarts_repeat_nothing(ledger: Ledger) -> None:
    scene, rounds = ledger.scene(), 5 if LONG else 1
    with fleet(scene, WORKERS) as workers, sending(scene) as sender:
        shared(scene, workers)
        for _ in range(rounds):
            for worker in list(workers.workers):
                workers.stop(worker)
                workers.start()
                shared(scene, workers)
        verdict = ledger.close("SIGTERM, rolling", scene, workers, struck=rounds * WORKERS, sent=sender.finish())

    assert verdict.repeated == 0
    assert max(workers.stops) < STOP_S
    assert max(verdict.silences_s) < PATIENCE_S


def test_workers_added_and_removed_every_few_seconds(ledger: Ledger) -> None:
    scene, chance, changes = ledger.scene(), random.Random(3), 30 if LONG else 4
    with fleet(scene, 1) as workers, sending(scene) as sender:
        shared(scene, workers)
        for number in range(changes):
            if len(workers.workers) == 1 or (len(workers.workers) < 4 and number % 3 != 2):
                workers.start()
            else:
                workers.stop(chance.choice(workers.workers))
            time.sleep(chance.uniform(0.5, 3.0))
        shared(scene, workers)
        verdict = ledger.close("workers come and go", scene, workers, struck=changes, sent=sender.finish())

    assert max(verdict.silences_s) < PATIENCE_S


def test_a_worker_that_stands_still_past_its_session_and_goes_on(ledger: Ledger) -> None:
    scene, times = ledger.scene(), 4 if LONG else 1
    with fleet(scene, WORKERS) as workers, sending(scene) as sender:
        shared(scene, workers)
        for number in range(times):
            zombie = workers.workers[number % WORKERS]
            zombie.signal(signal.SIGSTOP)
            time.sleep(SESSION_S + 4)
            zombie.signal(signal.SIGCONT)
            time.sleep(2)
            shared(scene, workers)
        verdict = ledger.close("SIGSTOP past the session", scene, workers, struck=times, sent=sender.finish())

    assert max(verdict.silences_s) < PATIENCE_S


def test_static_members_that_restart_repeat_nothing_and_one_that_was_killed_comes_back(ledger: Ledger) -> None:
    """A dead static member's name is taken until its session is over: whoever starts it again, as the supervisor does, gets in."""
    scene = ledger.scene()
    named = [scene.but(options={"member": f"{scene.name}-{i}"}) for i in range(WORKERS)]
    with fleet(scene) as workers, sending(scene) as sender:
        held = [workers.start(each) for each in named]
        shared(scene, workers)
        for i, each in enumerate(named):
            workers.stop(held[i])
            held[i] = workers.start(each)
            shared(scene, workers)
        workers.kill(held[0])
        again = Restarted(workers, named[0])
        eventually(again.settled, what="the return of a static member")
        shared(scene, workers)
        verdict = ledger.close("static: 3 SIGTERM, 1 SIGKILL", scene, workers, struck=WORKERS + 1, sent=sender.finish())

    assert again.tries < 20
    assert max(workers.stops) < STOP_S
    assert max(verdict.silences_s) < PATIENCE_S


class Restarted:
    """A worker that is started again whenever it ends, as the supervisor does, until it has lived for a session."""

    def __init__(self, workers: Fleet, scene: Scene) -> None:
        self.tries, self._workers, self._scene = 0, workers, scene
        self._start()

    def _start(self) -> None:
        self._worker, self._began = self._workers.start(self._scene), time.monotonic()
        self.tries += 1

    def settled(self) -> bool:
        """Whether it has; starts it again if it ended."""
        if self._worker.code is not None:
            code = self._workers.ended(self._worker)
            assert code == 1, f"ended with {code}: {self._worker.words()}"
            self._start()
        return time.monotonic() > self._began + SESSION_S


def test_a_worker_that_hangs_ends_itself_and_another_goes_on(ledger: Ledger) -> None:
    """In a group of its own: the other would wait for its session to end."""
    scene = ledger.scene(stuck_after_s=3.0)
    with fleet(scene) as workers, sending(scene) as sender:
        hung = workers.start(scene.but(stop=Stop("delivered", 40, HANG), group=f"{scene.name}-hung"))
        code = workers.ended(hung)
        assert code == STUCK, f"ended with {code}: {hung.words()}"
        workers.start()
        shared(scene, workers)
        ledger.close("a worker hangs", scene, workers, struck=1, sent=sender.finish())
