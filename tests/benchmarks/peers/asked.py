"""What is a peer told on its command line?"""

import argparse
from dataclasses import dataclass
from pathlib import Path

NOT_HERE = 3
"""Exit code of a peer that is not installed; its one line on stderr says so."""


@dataclass(frozen=True, slots=True)
class Job:
    """Where to read, what to write, and with which model."""

    brokers: str
    topic: str
    out: str
    group: str
    model: str


def asked(doc: str | None) -> Job:
    """Return the job of the command line. doc: of the program, for `--help`."""
    parser = argparse.ArgumentParser(description=doc)
    for name, what in (
        ("brokers", "bootstrap addresses, host:port"),
        ("topic", "where the assignments are"),
        ("out", "where the predictions go"),
        ("group", "consumer group, or the system's word for it"),
        ("model", "the forest, an ONNX file"),
    ):
        parser.add_argument(f"--{name}", required=True, help=what)
    job = Job(**vars(parser.parse_args()))
    if not Path(job.model).is_file():
        parser.error(f"--model: expected an ONNX file, found none at {job.model}")
    return job
