"""How do the Java archives get here, whole and genuine?

Their coordinates and hashes are in `jars.lock.toml`. A file has its final name only when its sha256 is right, so whoever finds
it may use it; several stacks may fetch into one cache.
"""

import errno
import hashlib
import os
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import Fault
from infra.stack.places import need, no_place
from infra.stack.server import Site

if TYPE_CHECKING:
    from requests import Session

LOCK = Path(__file__).with_name("jars.lock.toml")
THREADS = 8
TRIES = 3
CHUNK = 1 << 18
UNTRUSTED = "its server's certificate is not trusted; add your network's certificate authority to the system's"


@dataclass(frozen=True, slots=True)
class Jar:
    """One archive of the lock: its coordinates, size in bytes and sha256."""

    use: str
    group: str
    artifact: str
    version: str
    sha256: str
    size: int
    classifier: str | None = None
    type: str = "jar"

    @property
    def file(self) -> str:
        """The name of its file in the cache."""
        return f"{self.artifact}-{self.version}{f'-{self.classifier}' if self.classifier else ''}.{self.type}"


@cache
def locked(use: str) -> tuple[Jar, ...]:
    """Return the archives of a server, in the order of the lock."""
    return tuple(Jar(**jar) for jar in tomllib.loads(LOCK.read_text())["jar"] if jar["use"] == use)


def fetch(site: Site, server: str, jars: Sequence[Jar]) -> list[Path]:
    """Return the archives' files, fetching in parallel those that are not in the cache.

    Raises Fault: no network, no space, a wrong hash.
    """
    folder = site.places.cache / "jars"
    paths = [folder / jar.file for jar in jars]
    missing = [(jar, path) for jar, path in zip(jars, paths, strict=True) if not _is(path, jar)]
    if missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            need(folder, 2 * sum(jar.size for jar, _ in missing), "AFFLUENT_CACHE_DIR")
        except OSError as error:
            raise no_place(error, folder, "AFFLUENT_CACHE_DIR") from error
        _fetch_all(site, server, missing)
    return paths


def _fetch_all(site: Site, server: str, missing: Sequence[tuple[Jar, Path]]) -> None:
    total = sum(jar.size for jar, _ in missing)
    done: dict[Jar, int] = {}
    site.progress.step(server, "downloading")

    def told(jar: Jar, so_far: int) -> None:
        site.go_on()
        done[jar] = so_far
        site.progress.fetch(server, sum(list(done.values())), total)

    session, address = _session(), _addresses(site.mirror)
    with session, ThreadPoolExecutor(THREADS, thread_name_prefix=f"fetch-{server}") as pool:
        waiting = [pool.submit(_download, session, address(jar), jar, path, told, site) for jar, path in missing]
        try:
            for one in waiting:
                one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _addresses(mirror: str | None) -> Callable[[Jar], str]:
    """Return what gives an archive's address: the library's own default, or the mirror."""
    from maven_artifact import Artifact, Downloader

    resolver = (Downloader(base=mirror) if mirror else Downloader()).resolver

    def address(jar: Jar) -> str:
        artifact = Artifact(jar.group, jar.artifact, jar.version, classifier=jar.classifier, extension=jar.type)
        return str(resolver.uri_for_artifact(artifact))

    return address


def _session() -> "Session":
    """Return a session that trusts what the system trusts, so a company's own certificate authority is no obstacle."""
    import ssl

    import requests
    import truststore
    from requests.adapters import HTTPAdapter

    class SystemTrust(HTTPAdapter):
        def init_poolmanager(self, *args: object, **kwargs: object) -> None:
            context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            super().init_poolmanager(*args, **kwargs, ssl_context=context)  # type: ignore[arg-type]  # passed through as they came

    session = requests.Session()
    session.mount("https://", SystemTrust(pool_maxsize=THREADS))
    return session


def _download(session: "Session", address: str, jar: Jar, path: Path, told: Callable[[Jar, int], None], site: Site) -> None:
    import requests

    mirror = f"check the mirror {site.mirror}" if site.mirror else "name a mirror in AFFLUENT_JAR_MIRROR"
    for again in range(1, TRIES + 1):
        try:
            return _download_once(session, address, jar, path, told)
        except requests.exceptions.SSLError as error:
            raise Fault(f"cannot download {jar.file}: {UNTRUSTED}") from error
        except requests.exceptions.HTTPError as error:
            code = error.response.status_code
            if code < 500 or again == TRIES:
                raise Fault(f"cannot download {jar.file}: the answer was {code}; {mirror}, or try later") from error
        except requests.exceptions.RequestException as error:
            if again == TRIES:
                raise Fault(f"cannot download {jar.file}: no connection; check the network or proxy, or {mirror}") from error
        except OSError as error:
            raise no_place(error, path.parent, "AFFLUENT_CACHE_DIR") from error
        site.stopping.wait(0.2 * again)
        told(jar, 0)
    return None


def _download_once(session: "Session", address: str, jar: Jar, path: Path, told: Callable[[Jar, int], None]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    digest, size = hashlib.sha256(), 0
    try:
        with session.get(address, stream=True, timeout=(5, 20)) as answer, part.open("wb") as file:
            answer.raise_for_status()
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                if size > jar.size:
                    break
                told(jar, size)
        if digest.hexdigest() != jar.sha256:
            raise Fault(
                f"{jar.file} is not the file of the lock: expected sha256 {jar.sha256[:12]}… and {jar.size} bytes, found "
                f"{digest.hexdigest()[:12]}… and {size}; check the mirror or proxy"
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _is(path: Path, jar: Jar) -> bool:
    """Whether a file is the archive of the lock."""
    try:
        if path.stat().st_size != jar.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            return False
        raise no_place(error, path, "AFFLUENT_CACHE_DIR") from error
