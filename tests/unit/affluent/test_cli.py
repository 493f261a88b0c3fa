"""Does the command say what it can do, quickly, and end as agreed?"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from affluent import cli
from infra.errors import Fault, Unavailable

ROOT = Path(__file__).parents[3]
HEAVY = ("numba", "faust", "sklearn", "river", "onnxruntime", "confluent_kafka", "sqlalchemy", "psycopg", "numpy", "pandas")


def affluent(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "affluent", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_lists_every_command_and_where_to_start() -> None:
    answer = affluent("--help")
    assert answer.returncode == 0
    assert all(
        name in answer.stdout for name in ("demo", "up", "train", "stream", "sink", "trace", "replay", "schemas", "topics")
    )


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, affluent.cli; print([name for name in {HEAVY} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "words", [["demon"], ["train", "dispatch", "everything"], ["produce", "dispatch", "--rate", "-1"], ["trace"], []]
)
def test_a_command_written_wrongly_ends_with_2_and_no_traceback(words: list[str]) -> None:
    answer = CliRunner().invoke(cli.app, words)
    assert answer.exit_code == 2
    assert "Traceback" not in answer.output


@pytest.mark.parametrize(
    ("raised", "line"),
    [
        (Fault("no Kafka:\n run `affluent up`"), "affluent: no Kafka: run `affluent up`\n"),
        (Unavailable("Postgres is away"), "affluent: Postgres is away; `affluent status` shows which servers run\n"),
        (KeyboardInterrupt(), "affluent: stopped\n"),
    ],
)
def test_what_a_person_can_put_right_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: BaseException, line: str
) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("words", [["schemas", "list"], ["topics", "list"], ["settings"]])
def test_a_command_that_answers_gives_one_json_object(words: list[str]) -> None:
    answer = CliRunner().invoke(cli.app, [*words, "--json"])
    assert answer.exit_code == 0
    assert isinstance(json.loads(answer.stdout), dict)


def test_tables_in_a_pipe_cut_no_text() -> None:
    answer = CliRunner().invoke(cli.app, ["topics", "list"])
    assert "dispatch.prediction-scored.v1" in answer.stdout
    assert "…" not in answer.stdout
