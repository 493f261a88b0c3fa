"""Does `affluent schemas check` name every file that is not what its class renders?"""

from pathlib import Path

import pytest

from affluent import schemas as command
from infra.errors import Fault
from schemas import avro


def test_a_stale_a_missing_and_a_left_over_file_are_each_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(avro, "AVRO", tmp_path)
    command.render()
    (tmp_path / "DelayPredicted.avsc").write_text("{}")
    (tmp_path / "DeadLetter.avsc").unlink()
    (tmp_path / "CakeBaked.avsc").write_text("{}")
    with pytest.raises(Fault, match=r"CakeBaked.avsc, DeadLetter.avsc, DelayPredicted.avsc"):
        command.check()
    command.render()
    command.check()
