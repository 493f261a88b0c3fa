"""How is the schema registry set up? Apicurio, which speaks Confluent's API, over a database of our Postgres."""

import os
import shutil
import tarfile
from pathlib import Path

from infra.errors import Fault
from infra.stack.downloads import fetch, locked
from infra.stack.java import java
from infra.stack.places import no_place
from infra.stack.ports import HOST
from infra.stack.probes import answers_http
from infra.stack.processes import Command
from infra.stack.server import Server, Site


def _folder(site: Site) -> Path:
    (archive,) = locked("registry")
    return site.places.cache / f"registry-{archive.version}-{archive.sha256[:12]}"


def _obtain(site: Site) -> None:
    """Download and unpack the registry; the archive is deleted after, it is half of the cache."""
    folder = _folder(site)
    if folder.exists():
        return
    (archive,) = locked("registry")
    (packed,) = fetch(site, "registry", [archive])
    site.progress.step("registry", "unpacking")
    staged = folder.with_name(f"{folder.name}.{os.getpid()}.new")
    try:
        with tarfile.open(packed) as tar:
            if hasattr(tarfile, "data_filter"):  # absent in Debian 12's Python
                tar.extractall(staged, filter="data")
            else:
                tar.extractall(staged)  # noqa: S202  # the archive's sha256 is in the lock
        if not folder.exists():
            staged.rename(folder)
    except OSError as error:
        if folder.exists():  # another stack was faster
            return
        raise no_place(error, folder, "AFFLUENT_CACHE_DIR") from error
    except tarfile.TarError as error:
        raise Fault(f"{packed} cannot be unpacked ({error}): delete it and try again") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    packed.unlink(missing_ok=True)


def _prepare(site: Site) -> Command:
    (program,) = _folder(site).rglob("quarkus-run.jar")
    settings = {
        "quarkus.http.host": HOST,
        "quarkus.http.port": site.ports["registry"],
        "quarkus.management.host": HOST,
        "quarkus.management.port": site.ports["registry_management"],
        "apicurio.storage.kind": "sql",
        "apicurio.storage.sql.kind": "postgresql",
        "apicurio.datasource.url": f"jdbc:postgresql://{HOST}:{site.ports['postgres']}/registry",
        "apicurio.datasource.username": "registry",
        "apicurio.datasource.jdbc.initial-size": 1,
        "apicurio.datasource.jdbc.min-size": 1,
        "apicurio.datasource.jdbc.max-size": 6,
    }
    argv = [*java(least_mb=48, most_mb=192), *(f"-D{name}={value}" for name, value in settings.items()), "-jar", str(program)]
    # The password goes by the environment: what is on the command line, everybody can read.
    return Command(
        argv, cwd=site.places.run, env=site.environment("registry", APICURIO_DATASOURCE_PASSWORD=site.secrets["registry"])
    )


REGISTRY = Server(
    name="registry",
    ports=("registry", "registry_management"),
    obtain=_obtain,
    prepare=_prepare,
    serves=lambda site: answers_http(site.ports["registry_management"], "/health/ready"),
    after=("postgres",),
    uses=("postgres",),
)
