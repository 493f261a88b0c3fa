"""How is Prometheus had? From PATH, or as Debian's package unpacked without root; elsewhere the stack does without it."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from string import Template

from infra.stack.ports import HOST
from infra.stack.probes import answers_http
from infra.stack.processes import Command
from infra.stack.server import Absent, Server, Site

TEMPLATE = Path(__file__).parents[1] / "deploy" / "prometheus.template.yml"
PATIENCE_S = 40
RETENTION = "15d"


def configuration(*, targets: str, registry: str, prometheus: str) -> str:
    """Return Prometheus's configuration for a folder of targets and two addresses."""
    return Template(TEMPLATE.read_text()).substitute(targets=targets, registry=registry, prometheus=prometheus)


def _program(site: Site) -> Path:
    found = shutil.which("prometheus")
    return Path(found) if found else site.places.cache / "prometheus" / "usr" / "bin" / "prometheus"


def _obtain(site: Site) -> None:
    """Get Prometheus's program. Raises Absent."""
    program = _program(site)
    if not program.exists():
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            raise Absent("not on PATH, and this system has no Debian packages: install Prometheus to see metrics over time")
        _unpack(site, program.parents[2])


def _unpack(site: Site, folder: Path) -> None:
    site.progress.step("prometheus", "downloading")
    staged = folder.with_name(f"prometheus.{os.getpid()}.new")
    try:
        staged.mkdir(parents=True, exist_ok=True)
        if not _apt(site, staged, "download", "prometheus"):
            own = _own_lists(staged)
            if not (_apt(site, staged, *own, "update") and _apt(site, staged, *own, "download", "prometheus")):
                raise Absent("Debian's package could not be downloaded: install Prometheus to see metrics over time")
        (package,) = staged.glob("prometheus_*.deb")
        subprocess.run(["dpkg-deb", "-x", package, staged / "root"], check=True, capture_output=True, timeout=PATIENCE_S)
        (staged / "root").rename(folder)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        if not folder.exists():
            raise Absent(f"Debian's package could not be unpacked ({error})") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _apt(site: Site, folder: Path, *arguments: str) -> bool:
    site.go_on()
    quick = ["-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10"]
    until = time.monotonic() + PATIENCE_S
    nothing = subprocess.DEVNULL
    with subprocess.Popen(
        ["apt-get", "-q", *quick, *arguments], cwd=folder, stdin=nothing, stdout=nothing, stderr=nothing
    ) as apt:
        while apt.poll() is None:
            if site.stopping.wait(0.05) or time.monotonic() > until:
                apt.kill()
    site.go_on()
    return apt.returncode == 0


def _own_lists(folder: Path) -> list[str]:
    """Return apt's options for package lists of our own: the system's may be empty, and only root may fill them."""
    lists, archives = folder / "lists", folder / "archives"
    for place in (lists / "partial", archives / "partial"):
        place.mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={folder}", "-o", f"Dir::Cache::archives={archives}"]


def _prepare(site: Site) -> Command:
    settings, data = site.places.run / "prometheus.yml", site.places.data / "prometheus"
    own = f"{HOST}:{site.ports['prometheus']}"
    registry = f"{HOST}:{site.ports['registry_management']}"
    settings.write_text(configuration(targets=str(site.places.targets), registry=registry, prometheus=own))
    flags = {
        "config.file": settings, "storage.tsdb.path": data, "storage.tsdb.retention.time": RETENTION, "web.listen-address": own,
    }  # fmt: skip
    argv = [str(_program(site)), *(f"--{name}={value}" for name, value in flags.items())]
    return Command(argv, cwd=site.places.run, env=site.environment("prometheus"))


PROMETHEUS = Server(
    name="prometheus",
    ports=("prometheus",),
    obtain=_obtain,
    prepare=_prepare,
    serves=lambda site: answers_http(site.ports["prometheus"], "/-/ready"),
    uses=("registry_management",),
    needed=False,
)
