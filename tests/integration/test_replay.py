"""Does `affluent replay` prove what a real worker published, and find one wrong record among thousands? Real servers, real commands."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from affluent import wiring
from affluent.children import Child
from affluent.cli import app
from affluent.clients import ensure, schema_ids
from affluent.relay import once
from affluent.replay import verdicts
from affluent.train import train_model
from affluent.watch import Watch
from infra import kafka
from infra.kafka import columns
from infra.registry import Registry
from infra.settings import Settings
from infra.stack import running_stack
from producers import dispatch, pace
from producers.client import Producer
from schemas.columns import Columns, Reader, Records, encode
from schemas.dispatch import ASSIGNMENTS, DELAY_PREDICTED, PREDICTION_SCORED, DelayPredicted
from schemas.event import Topic
from streams.dispatch import TOPOLOGY
from streams.engine.reading import bounds, stretch

ROOT = Path(__file__).parents[2]
FACTS, BAD = 6_000, 5


@dataclass
class Scene:
    """A log that a worker has worked through."""

    settings: Settings

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command as a person would."""
        return subprocess.run(
            [sys.executable, "-m", "affluent", "replay", "dispatch", *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def ask(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run the command in this process, and return its answer but for how long it took."""
        done = CliRunner().invoke(app, ["replay", "dispatch", *words, "--json"])
        assert done.exit_code == code, (done.output, done.exception)
        answer: dict[str, Any] = json.loads(done.stdout)
        return {name: value for name, value in answer.items() if name not in ("seconds", "records_per_s", "jobs")}

    def read(self, topic: str, partition: int) -> Records:
        consumer = columns.consumer(self.settings.kafka, group="test")
        try:
            return Records.join(list(stretch(consumer, topic, partition, *bounds(consumer, topic, partition))))
        finally:
            consumer.close()

    def longest(self, topic: Topic) -> int:
        """Return the partition with the most records."""
        consumer = columns.consumer(self.settings.kafka, group="test")
        try:
            return max(range(12), key=lambda number: bounds(consumer, topic.name, number)[1])
        finally:
            consumer.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """What a worker published of simulated facts, with a model in force, and a few records among them that nobody can read."""
    folder = tmp_path_factory.mktemp("replay")
    with pytest.MonkeyPatch.context() as patch, running_stack(directory=folder / "stack"):
        patch.setenv("AFFLUENT_STACK_DIR", str(folder / "stack"))
        settings = wiring.settings()
        ensure(settings, TOPOLOGY)
        registry = Registry(settings.registry.url)
        schema_ids(registry)
        train_model(settings, "dispatch", "delay", "simulation")
        once(settings, "dispatch")
        facts = dispatch.cut(dispatch.source("simulation", seed=3), limit=FACTS)
        with Producer(settings.kafka, registry) as producer:
            dispatch.send(facts, producer, pace.Pacer(pace.schedule(None, None), clock=lambda: 0.0, sleep=lambda _s: None))
        raw = kafka.producer(settings.kafka)
        for number in range(BAD):
            raw.produce(ASSIGNMENTS.name, b"no avro", b"k", partition=number)
        raw.flush()
        child = Child("stream", ["stream", "dispatch"], folder / "stream.log").start()
        watch = Watch(settings, TOPOLOGY, sink="consumers-dispatch")
        try:
            watch.wait_for_workers([child])
        finally:
            watch.close()
            assert child.stop() == 0
        yield Scene(settings)


def test_everything_comes_out_again_whatever_the_number_of_processes(scene: Scene) -> None:
    one, two = scene.ask("--verify", "--jobs", "1"), scene.ask("--verify", "--jobs", "2")

    assert one == two
    assert (one["mismatches"], one["first"]) == (0, None)
    predict, drift = one["agents"]["predict_delay"], one["agents"]["detect_drift"]
    assert predict["records"] > FACTS
    assert predict["outputs"]["DeadLetter"] == BAD
    assert min(predict["outputs"][name] for name in ("DelayPredicted", "PredictionScored")) > FACTS / 3
    assert drift["records"] == predict["outputs"]["PredictionScored"]
    assert (
        one["compared"]
        == predict["compared"] + drift["compared"]
        == sum(predict["outputs"].values()) + sum(drift["outputs"].values())
    )


def test_latencies_are_those_of_every_output(scene: Scene) -> None:
    found = {verdict.agent: verdict for verdict in verdicts("dispatch", scene.settings, jobs=1)}
    predict = found["predict_delay"]

    assert len(predict.latency_ms) == len(predict.appended_ms) == predict.compared
    assert (predict.latency_ms >= 0).all()


def test_a_stretch_is_looked_at_alone(scene: Scene) -> None:
    place = scene.longest(ASSIGNMENTS)
    facts = scene.read(ASSIGNMENTS.name, place)
    whole = scene.ask("--verify", "--agent", "predict_delay", "--partition", str(place))
    words = ("--verify", "--agent", "predict_delay", "--partition", str(place), "--from", "10", "--to", str(len(facts) - 10))
    part = scene.ask(*words)
    late = datetime.fromtimestamp(int(facts.appended_at[-1]) / 1000 + 1, UTC) + timedelta(minutes=1)
    before = scene.ask("--verify", "--agent", "predict_delay", "--until", f"{late:%Y-%m-%dT%H:%M:%S}")
    after = scene.ask("--verify", "--agent", "predict_delay", "--since", f"{late:%Y-%m-%dT%H:%M:%S}")

    assert part["mismatches"] == whole["mismatches"] == before["mismatches"] == after["mismatches"] == 0
    assert part["records"] == len(facts) - 20
    assert 0 < part["compared"] < whole["compared"]
    assert before["records"] > FACTS
    assert (after["records"], after["compared"]) == (0, 0)


def test_outputs_are_counted_or_written_beside_the_live_topics(scene: Scene) -> None:
    published = scene.ask("--verify")
    counted = scene.ask("--into", "null")
    written = scene.ask("--into", "again")

    assert counted == written
    assert counted["agents"]["predict_delay"]["outputs"] == published["agents"]["predict_delay"]["outputs"]
    place = scene.longest(PREDICTION_SCORED)
    live, copy = (scene.read(name, place) for name in (PREDICTION_SCORED.name, f"{PREDICTION_SCORED.name}.replay-again"))
    assert live.values.raws() == copy.values.raws()
    assert live.keys.raws() == copy.keys.raws()
    assert scene.ask("--verify") == published
    again = scene.run("--into", "again")
    assert (again.returncode, "exists already" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--verify", "--partition", "99"], 1, "--partition: dispatch.assignments.v1 has the partitions 0 to 11, found 99"),
        (["--verify", "--agent", "predict_delay", "--partition", "0", "--to", "99999999"], 1, "found 99999999"),
        (
            ["--verify", "--agent", "predict_delay", "--partition", "0", "--from", "99999999"],
            1,
            "--from: dispatch.assignments.v1[0]",
        ),
        (["--verify", "--from", "1"], 2, "--agent"),
        (["--verify", "--agent", "nobody"], 2, "expected one of predict_delay, detect_drift"),
        (["--verify", "--into", "null"], 2, "--verify"),
        ([], 2, "--verify"),
        (["--into", "Live!"], 2, "--into"),
        (["--verify", "--since", "2026-01-02", "--until", "2026-01-01"], 2, "--since"),
        (["--verify", "--jobs", "0"], 2, "--jobs"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(scene: Scene, words: list[str], code: int, says: str) -> None:
    done = scene.run(*words)

    assert done.returncode == code, done.stderr
    assert says in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert code == 2 or len(done.stderr.strip().splitlines()) == 1


def test_a_bundle_that_is_gone_is_named(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFLUENT_STORE__URL", str(tmp_path))

    for jobs in ("1", "2"):
        done = scene.run("--verify", "--jobs", jobs)

        assert done.returncode == 1
        assert done.stderr.startswith("affluent: bundle ")
        assert len(done.stderr.strip().splitlines()) == 1


def test_ctrl_c_ends_all_processes_without_a_word(scene: Scene) -> None:
    command = [sys.executable, "-m", "affluent", "replay", "dispatch", "--verify", "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        ours = psutil.Process(process.pid)
        while len(children := ours.children(recursive=True)) < 3:  # two of ours, and Python's own that cleans up behind them
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        out, errors = process.communicate(timeout=60)

    assert (process.returncode, out, errors) == (130, "", "")
    assert psutil.wait_procs(children, timeout=10)[1] == []


def test_one_wrong_record_among_all_is_found_and_named(scene: Scene) -> None:
    """The last test: what it publishes stays."""
    place = scene.longest(DELAY_PREDICTED)
    live = scene.read(DELAY_PREDICTED.name, place)
    registry = Registry(scene.settings.registry.url)
    event = next(iter(Reader(DELAY_PREDICTED, registry).read(live.slice(7, 8)).rows()))
    assert isinstance(event, DelayPredicted)
    wrong = event.model_copy(update={"features": [*event.features[:3], 4711.0, *event.features[4:]]})
    number = int.from_bytes((live.values.raw(7) or b"")[1:5], "big")
    raw = kafka.producer(scene.settings.kafka)
    raw.produce(DELAY_PREDICTED.name, live.values.raw(8), live.keys.raw(8), partition=place)
    raw.flush()
    assert scene.ask("--verify")["mismatches"] == 0
    raw.produce(DELAY_PREDICTED.name, encode(Columns.of([wrong]), number).raw(0), live.keys.raw(7), partition=place)
    raw.flush()

    answer = scene.ask("--verify", "--jobs", "2", code=1)

    assert (answer["mismatches"], answer["agents"]["predict_delay"]["kinds"]) == (1, {"twice": 1})
    assert answer["first"]["recomputed"] == 4711.0
    assert (answer["first"]["event"], answer["first"]["event_id"]) == ("DelayPredicted", event.event_id)
    assert (answer["first"]["field"], answer["first"]["partition"]) == ("features[3], published twice", place)
