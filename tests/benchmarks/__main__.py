"""How fast and how big? Runs the benchmarks beside it, one process each, and writes what they say to docs/benchmarks.md.

    python -m tests.benchmarks [NAME ...]

Each is also a command of its own, with options: `python -m tests.benchmarks.columns --help`. A page's section is replaced by a new
run of its benchmark; the others stay.
"""

import ast
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Measured, not asserted: each section is what its command printed, on the machine and day it names. Run one again with
`make bench ARGS="NAME"`; compare figures of one run, not of two machines.
"""


def names() -> list[str]:
    """Every benchmark, by the name of its module."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def question(name: str) -> str:
    """The question that a benchmark answers: the first line of its module."""
    doc = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))) or name
    return doc.splitlines()[0]


def run(name: str) -> str:
    """Run a benchmark and return its section; what it prints is shown meanwhile."""
    command = f"python -m tests.benchmarks.{name}"
    said: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", f"tests.benchmarks.{name}"], cwd=HERE.parents[1], stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            said.append(line.rstrip())
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}; its section stays as it was")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    when = f"{datetime.now(UTC):%Y-%m-%d}"
    text = "\n".join(said).strip("\n")
    return f"## {name}\n\n{question(name)}\n\n`{command}` on {machine}, {when}:\n\n```\n{text}\n```\n"


def sections(page: str) -> dict[str, str]:
    """The sections of a page by their benchmark."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    return {part.splitlines()[0].removeprefix("## "): part.rstrip("\n") + "\n" for part in parts if part.startswith("## ")}


def main(chosen: list[str]) -> None:
    """Run the chosen benchmarks, or all."""
    if unknown := sorted(set(chosen) - set(names())):
        raise SystemExit(f"no benchmark is called {', '.join(unknown)}: expected {', '.join(names())}")
    for name in chosen or names():
        print(f"== {name}: {question(name)}", flush=True)
        kept = sections(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        kept[name] = run(name)
        PAGE.write_text("\n".join([HEAD, *(kept[key] for key in sorted(kept))]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
