"""How does a peer that cannot live in our environment get one of its own? From hashed requirements, below the stack's cache."""

import subprocess
import sys
import venv
from pathlib import Path

from infra.errors import Fault
from tests.benchmarks.peers.kit import Kit

VERSION = "{}.{}".format(*sys.version_info)


def python(folder: Path) -> Path:
    """Return the interpreter of an environment."""
    return folder / "bin" / "python"


def environment(name: str, requirements: Path) -> Kit:
    """Return the environment of a peer. requirements: a lock with hashes."""

    def make(folder: Path) -> None:
        # With its pip, which knows the user's mirror and certificates; only `python -m` is used, so the folder may be renamed.
        venv.create(folder, with_pip=True)
        words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(requirements)]
        done = subprocess.run([str(python(folder)), *words], capture_output=True, text=True)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
            raise Fault(f"pip cannot install {requirements.name} for the peer {name}: {lines[-1].strip()[:300]}")

    return Kit(name, (requirements,), make, also=VERSION)


QUIX = environment("quix", Path(__file__).with_name("quix.txt"))
