"""Which Java process is the peer? This one: it becomes it, so a signal or a measure of one is of the other."""

import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import psutil

from infra.errors import Fault
from tests.benchmarks.peers.asked import NOT_HERE, asked
from tests.benchmarks.peers.kafka_streams.build import KAFKA_STREAMS, command
from tests.benchmarks.work.wire import ANSWER, JOB

STATE = "peer-kafka-streams-"


def state() -> str:
    """Return a folder for RocksDB; those of processes that are gone, however they went, are removed on the way."""
    for folder in Path(tempfile.gettempdir()).glob(f"{STATE}*"):
        pid = folder.name.removeprefix(STATE).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{STATE}{os.getpid()}-")


def main() -> None:
    """Become the Java program."""
    job = asked(__doc__)
    try:
        words = command(KAFKA_STREAMS.require())
    except Fault as fault:
        print(fault, file=sys.stderr)
        sys.exit(NOT_HERE)
    given = {**asdict(job), "state": state(), "reads": json.dumps(JOB), "writes": json.dumps(ANSWER)}
    os.execv(words[0], [*words, *(word for name, value in given.items() for word in (f"--{name}", value))])


if __name__ == "__main__":
    main()
