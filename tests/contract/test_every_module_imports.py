"""Does importing a module do nothing but define? No connection, no environment read by us, no thread, no process."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

GUARDED = r'''
import importlib, os, socket, subprocess, sys, threading
from pathlib import Path

ROOT = Path(sys.argv[1])
PACKAGES = ("affluent", "consumers", "infra", "models", "producers", "schemas", "streams")
OURS = tuple(str(ROOT / package) + os.sep for package in PACKAGES)
complaints = []


def refuse(what):
    def refused(*args, **kwargs):
        complaints.append(f"{importing}: {what}")
        raise RuntimeError(what)
    return refused


class Watched(type(os.environ)):
    """Tells who of us reads the environment; libraries may."""

    def __init__(self, real):
        self.__dict__.update(real.__dict__)

    def __getitem__(self, name):
        frame = sys._getframe(1)
        while frame.f_globals.get("__name__") in ("os", "collections.abc"):
            frame = frame.f_back
        if frame.f_code.co_filename.startswith(OURS):
            complaints.append(f"{importing}: reads {name} from the environment")
        return super().__getitem__(name)


importing = "start"
os.environ = Watched(os.environ)
for method in ("connect", "connect_ex", "bind"):
    setattr(socket.socket, method, refuse(f"socket.{method}"))
before = set(threading.enumerate())
modules = []
for package in PACKAGES:
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "migrations" not in parts:  # Alembic runs those; they are not imported
            modules.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
for importing in modules:
    importlib.import_module(importing)
    for thread in set(threading.enumerate()) - before:
        complaints.append(f"{importing}: started {thread}")
        before.add(thread)
print(len(modules), "modules")
print("\n".join(complaints), file=sys.stderr)
sys.exit(bool(complaints))
'''


def test_importing_every_module_connects_to_nothing_and_reads_no_environment() -> None:
    run = subprocess.run([sys.executable, "-c", GUARDED, str(ROOT)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[0]) > 0


def test_the_guard_sees_a_module_that_reads_the_environment(tmp_path: Path) -> None:
    for package in ("affluent", "consumers", "infra", "models", "producers", "schemas", "streams"):
        (tmp_path / package).mkdir()
    (tmp_path / "schemas" / "curious.py").write_text("import os\nHOME = os.environ.get('HOME')\n")
    run = subprocess.run(
        [sys.executable, "-c", GUARDED, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "schemas.curious: reads HOME from the environment" in run.stderr
