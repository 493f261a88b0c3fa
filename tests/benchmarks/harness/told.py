"""On which machine, with which versions? What every result says beside its figures; and how results are printed."""

import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from infra.errors import Fault, Unavailable
from tests.benchmarks.harness import cores

LIBRARIES = ("numpy", "numba", "confluent-kafka", "onnxruntime", "faust-streaming", "fastavro", "quixstreams")


def machine() -> dict[str, Any]:
    """Return what the figures depend on and no program decides."""
    return {
        "processor": _processor(),
        "cores": len(cores.all_cores()),
        "pinned": cores.pinned(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
        "load_average": round(os.getloadavg()[0], 2),
    }


def in_words(about: dict[str, Any]) -> str:
    """Return it as part of a sentence."""
    versions = ", ".join(f"{name} {found}" for name, found in about["versions"].items())
    held = "programs held to the first core" if about["pinned"] else "nothing held to a core"
    return (
        f"{about['processor']}, {about['cores']} cores ({held}), {about['system'].split()[0]}, Python {about['python']}, {versions}, "
        f"load average at the end {about['load_average']}"
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def run(main: Callable[[], None]) -> None:
    """Run a benchmark; what went wrong with a program or a server is one line and exit code 1, not a traceback."""
    try:
        main()
    except (Fault, Unavailable, RuntimeError, KafkaException) as error:
        say(f"bench: {' '.join(str(error).split())}")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        say("bench: stopped")
        raise SystemExit(1) from None


def say(text: str) -> None:
    """Tell a person what goes on, on standard error: standard output is for the result."""
    print(text, file=sys.stderr, flush=True)


def result(found: Any) -> None:
    """Print one JSON value on standard output."""
    print(json.dumps(found), flush=True)
