"""Are the peers' sizes counted, and is what they need whole or not there?"""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from infra.errors import Fault
from tests.benchmarks.peers import NAMES, SHARED_LINES, asked, environment, install, killed, kit, peer
from tests.benchmarks.peers.kit import Kit
from tests.benchmarks.peers.records import answer, encode
from tests.benchmarks.peers.size import java_lines, python_lines
from tests.benchmarks.work.domain import FEATURES
from tests.benchmarks.work.reference import Reference

PROGRAM = '''"""Why?

At length.
"""

import sys  # because

# alone
LINES = 7
AT_LEAST_ONCE = (
    "nothing"
)


def available() -> str | None:
    """Return None."""
    return None


def main() -> None:
    """Say it."""
    print(
        """two
        lines""",
        sys.path,
    )
'''


def test_lines_are_of_code_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(PROGRAM)
    assert python_lines(tmp_path / "a.py") == 1 + 1 + 5
    (tmp_path / "b.py").write_text(PROGRAM + "\n\nmain()\n")
    assert python_lines(tmp_path / "a.py", tmp_path / "b.py") == 7 + 8


def test_lines_of_java_are_of_code_alone(tmp_path: Path) -> None:
    path = tmp_path / "A.java"
    path.write_text("import a.B;\n\n/** Why?\n * At length.\n */\nclass A {\n    // because\n    int i = 1; // behind\n}\n")
    assert java_lines(path) == 4


@pytest.mark.parametrize("name", NAMES)
def test_every_peer_says_how_long_it_is_and_what_survives(name: str) -> None:
    found = peer(name)
    assert 20 < found.LINES < 400
    assert len(found.AT_LEAST_ONCE) > 20
    assert (found.available() is None) or name in install.KITS


def test_every_program_beside_the_list_is_in_it() -> None:
    folder = Path(kit.__file__).parent
    programs = {path.stem for path in folder.glob("*.py") if "AT_LEAST_ONCE = " in path.read_text()} - {"__init__"}
    packages = {path.parent.name for path in folder.glob("*/__main__.py")}
    assert programs | packages == set(NAMES)
    assert 30 < SHARED_LINES < 120


def test_an_unknown_peer_is_named() -> None:
    with pytest.raises(ValueError, match=r"no peer is called 'flink': expected echo, loop"):
        peer("flink")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFFLUENT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def made(cache: Path, tmp_path: Path, *, also: str = "") -> tuple[Kit, list[Path]]:
    """A kit of one file, and the folders it was asked to make."""
    lock, asked_for = tmp_path / "lock", []
    lock.write_text("one")

    def make(folder: Path) -> None:
        asked_for.append(folder)
        (folder / "program").write_text("here")

    return Kit("toy", (lock,), make, also), asked_for


def test_a_kit_is_made_once_and_then_there(cache: Path, tmp_path: Path) -> None:
    toy, asked_for = made(cache, tmp_path)
    assert toy.missing() == "not installed: run `python -m tests.benchmarks.peers.install toy`"
    with pytest.raises(Fault, match="the peer toy is not installed"):
        toy.require()
    folder = toy.install()
    assert folder == toy.install() == toy.require()
    assert (folder / "program").read_text() == "here"
    assert (toy.missing(), len(asked_for)) == (None, 1)
    assert [path.name for path in (cache / "peers").iterdir()] == [folder.name]


def test_a_kit_of_other_inputs_is_another(cache: Path, tmp_path: Path) -> None:
    toy, asked_for = made(cache, tmp_path)
    first = toy.install()
    (tmp_path / "lock").write_text("two")
    assert toy.missing() is not None
    assert toy.install() != first
    assert Kit("toy", toy.inputs, toy.make, "3.13").folder != toy.folder
    assert len(asked_for) == 2


def test_a_kit_that_cannot_be_made_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "half").write_text("of it")
        raise Fault("no network")

    (tmp_path / "lock").write_text("one")
    toy = Kit("toy", (tmp_path / "lock",), make)
    with pytest.raises(Fault, match="no network"):
        toy.install()
    assert toy.missing() is not None
    assert not list((cache / "peers").iterdir())


def test_a_kit_that_another_process_made_meanwhile_is_taken(cache: Path, tmp_path: Path) -> None:
    toy, _ = made(cache, tmp_path)

    def slowly(folder: Path) -> None:
        (folder / "program").write_text("late")
        toy.install()

    assert (Kit("toy", toy.inputs, slowly).install() / "program").read_text() == "here"


def test_a_full_disk_is_told_in_a_line(cache: Path, tmp_path: Path) -> None:
    toy, _ = made(cache, tmp_path)
    cache.write_text("not a folder")
    with pytest.raises(Fault, match=r"cannot write to .* \(not a directory\): .*AFFLUENT_CACHE_DIR"):
        toy.install()


def test_pip_that_finds_nothing_is_told_in_a_line(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "toy.txt"
    lock.write_text("affluent-not-there==1.0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(Fault, match=r"pip cannot install toy\.txt for the peer toy: .*affluent-not-there"):
        environment.environment("toy", lock).install()


def test_what_a_kill_left_is_counted_by_job_and_by_its_last_answer() -> None:
    right = Reference(np.array([3, 3, 4, 4]), np.ones((4, FEATURES), np.float32), np.arange(4.0))

    def said(number: int, delay_s: float) -> tuple[bytes, bytes]:
        fact = {"assignment_id": f"as-{number:08d}"}
        return b"c%05d" % right.courier[number], encode(answer(fact, delay_s, [1.0] * FEATURES))

    # 0: right, twice. 1: right, then wrong. 2: wrong, then right, in one batch. 3: none.
    batches = [[said(0, 0.0), said(1, 1.0)], [said(2, 9.0), said(2, 2.0), said(1, 9.0), said(0, 0.0)]]
    answers = [([key for key, _ in batch], [value for _, value in batch]) for batch in batches]
    found = killed.judge(answers, right, 2)
    assert found == killed.Left(4, 2, unanswered=1, answered_again=3, wrong_answers=2, left_wrong=1)


def test_the_lock_of_quix_has_hashes_no_hosts_and_the_older_client() -> None:
    text = environment.QUIX.inputs[0].read_text()
    pins = re.findall(r"^([a-z][\w.-]*)==(\S+)", text, re.MULTILINE)
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    assert len(pins) == len(entries)
    assert "://" not in text
    assert tuple(map(int, dict(pins)["confluent-kafka"].split(".")))[:2] < (2, 13)


def test_what_is_not_a_kit_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["install", "loop"])
    with pytest.raises(SystemExit):
        install.main()
    assert "nothing to install for loop: expected quix, kafka_streams" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = "loop --brokers b --topic i --out o --group g --model /nowhere.onnx"
    monkeypatch.setattr(sys, "argv", words.split())
    with pytest.raises(SystemExit):
        asked.asked("Why?")
    assert "--model: expected an ONNX file, found none at /nowhere.onnx" in capsys.readouterr().err
