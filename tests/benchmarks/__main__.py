"""How fast and how big? Runs the benchmarks beside it, one process each, and writes what they say to docs/benchmarks.md.

    python -m tests.benchmarks [NAME ...]      # soak is memory

Each is also a command of its own, with options: `python -m tests.benchmarks.columns --help`. A page's section is replaced by a new
run of its benchmark; the others stay. One that answers with `--json` and has a `table` is shown as that, with its `chart` if it has one.
"""

import ast
import json
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.benchmarks.harness import told

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
PICTURES = PAGE.parent / "benchmarks"
ALIASES = {"soak": "memory"}
HEAD = """# Benchmarks

Measured, not asserted: each section is what its command printed, on the machine and day it names. Run one again with
`make bench ARGS="NAME"` or `affluent bench NAME`; compare figures of one run, not of two machines. Figures of programs in one table
come from one run on one broker; values behind a table lie in `benchmarks/NAME.json`.

**The work** (`scoring`, `latency`, `scaling`, `memory`) is delay-scoring, in `tests/benchmarks/work`: a job of 15 fields
(96 bytes of Avro) is decoded, folded into what is known of its courier, turned into 20 features, scored by a forest of 100 trees of
depth 10, and answered in Avro, at least once. Our worker runs as `affluent stream` does, with state log, duplicate check and metrics
on; its answers carry an id, a time, a cause and the key besides what others write (250 bytes, not 192). Every answer of every run is
read back and compared with a plain program and onnxruntime. The peers in `tests/benchmarks/peers` are programs as a careful user of
each would write them: a ratio says how we compare with *that program on this work*, its lines of code beside it, and nothing about
what an expert could make of it. What each keeps through a crash differs, and is said below the table.
"""


def names() -> list[str]:
    """Every benchmark, by the name of its module."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def question(name: str) -> str:
    """The question that a benchmark answers: the first line of its module."""
    doc = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))) or name
    return doc.splitlines()[0]


def speaks(name: str) -> Any:
    """Return the module of a benchmark that answers with a table, None for one that only prints."""
    tree = ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))
    has = any(isinstance(node, ast.FunctionDef) and node.name == "table" for node in tree.body)
    return import_module(f"tests.benchmarks.{name}") if has else None


def run(name: str) -> str:
    """Run a benchmark and return its section; what it prints is shown meanwhile."""
    module = speaks(name)
    words = [f"tests.benchmarks.{name}", *(["--json"] if module else [])]
    said: list[str] = []
    with subprocess.Popen([sys.executable, "-m", *words], cwd=HERE.parents[1], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if not module:
                print(line, end="", flush=True)
            said.append(line.rstrip())
    if process.returncode:
        raise SystemExit(f"python -m {words[0]} ended with {process.returncode}; its section stays as it was")
    if module:
        return section(name, module, json.loads(said[-1]))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    return _section(name, machine, "\n".join(said).strip("\n"))


def section(name: str, module: Any, found: Any) -> str:
    """Return the section of a benchmark that answered with a value; draws its picture and keeps the value beside it."""
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = module.table(found)
    print(text, flush=True)
    picture = ""
    if hasattr(module, "chart"):
        (PICTURES / f"{name}.svg").write_text(module.chart(found), encoding="utf-8")
        picture = f"![{question(name)}](benchmarks/{name}.svg)"
    about = found.get("machine") if isinstance(found, dict) else None
    return _section(name, told.in_words(about or told.machine()), text, picture)


def _section(name: str, machine: str, text: str, picture: str = "") -> str:
    command = f"`python -m tests.benchmarks.{name}` on {machine}, {datetime.now(UTC):%Y-%m-%d}:"
    parts = [f"## {name}", question(name), picture, command, f"```\n{text}\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"


def sections(page: str) -> dict[str, str]:
    """The sections of a page by their benchmark."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    return {part.splitlines()[0].removeprefix("## "): part.rstrip("\n") + "\n" for part in parts if part.startswith("## ")}


def write(name: str, text: str) -> None:
    """Put a section into the page."""
    kept = sections(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    kept[name] = text
    order = sorted(kept, key=lambda each: (each != "scoring", each != "latency", each))
    PAGE.write_text("\n".join([HEAD, *(kept[key] for key in order)]), encoding="utf-8")


def main(chosen: list[str]) -> None:
    """Run the chosen benchmarks, or all."""
    chosen = [ALIASES.get(name, name) for name in chosen]
    if unknown := sorted(set(chosen) - set(names())):
        raise SystemExit(f"no benchmark is called {', '.join(unknown)}: expected {', '.join(names())}")
    for name in chosen or names():
        print(f"== {name}: {question(name)}", flush=True)
        write(name, run(name))


if __name__ == "__main__":
    main(sys.argv[1:])
