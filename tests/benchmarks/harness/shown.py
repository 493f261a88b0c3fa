"""What does a worker of ours show of itself? Its `/metrics`, and which threads belong to which client."""

import json
import urllib.request
from contextlib import suppress

from tests.benchmarks.harness.process import Watched

MARK = "threads="
STAGES = {
    "decode": "decode",
    "features": "feature",
    "score": "score",
    "encode": "encode",
    "produce": "produce",
    "settle": "settle",
}


def port(worker: Watched, within_s: float = 60.0) -> int:
    """Return the port of its metrics, once it said so."""
    return int(worker.wait_for("metrics_port=", within_s).split("metrics_port=")[1].split()[0])


def page(number: int) -> list[str]:
    """Return the lines of a metrics page; none if it does not answer."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{number}/metrics", timeout=5) as answer:
        return [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return []


def total(lines: list[str], name: str, label: str = "") -> float:
    """Return the sum of a metric over its labels, or over those that hold this text."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + "{", name + " ")) and label in line)


def stages(lines: list[str]) -> dict[str, float]:
    """Return the seconds that each stage took so far."""
    return {stage: total(lines, f"affluent_{name}_seconds_sum") for stage, name in STAGES.items()}


def owners(worker: Watched) -> dict[int, str]:
    """Return whose each thread of a bench worker is: consumer, producer, or the name that Python gave it."""
    found: dict[int, str] = {}
    for line in worker.said().splitlines():
        if MARK in line:  # it may stand behind what moves a cursor
            told = json.loads(line.partition(MARK)[2])
            found |= {int(number): f"python {name}" for number, name in told.pop("python").items() if number != "null"}
            found |= {number: kind for kind, numbers in told.items() for number in numbers}
    return found
