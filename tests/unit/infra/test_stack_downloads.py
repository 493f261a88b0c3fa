"""Does only the file of the lock get a final name, and does every failure say what to do?"""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.errors import Fault
from infra.stack.downloads import Jar, fetch, locked
from infra.stack.places import Places
from infra.stack.progress import Quiet
from infra.stack.server import Cancelled, Site


@dataclass
class Mirror:
    """A server of files on the loopback address. failures: so many answers of 503 come first, per path."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    failures: int = 0

    def has(self, name: str, content: bytes) -> Jar:
        self.files[f"/org/x/{name}/1.0/{name}-1.0.jar"] = content
        return Jar("broker", "org.x", name, "1.0", hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    found = Mirror()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            content = found.files.get(self.path)
            code = 503 if found.asked.count(self.path) <= found.failures else 200 if content is not None else 404
            self.send_response(code)
            self.end_headers()
            if code == 200 and content is not None:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        found.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def site(tmp_path: Path, mirror: Mirror) -> Site:
    return Site(Places(tmp_path / "stack", tmp_path / "cache"), {}, {}, Quiet(), mirror.address)


def left(site: Site) -> list[str]:
    return sorted(file.name for file in (site.places.cache / "jars").iterdir())


def test_archives_are_fetched_once(site: Site, mirror: Mirror) -> None:
    jars = [mirror.has(f"a{n}", bytes([n]) * 1000 * n) for n in range(1, 12)]
    for _ in range(2):
        assert [path.read_bytes() for path in fetch(site, "kafka", jars)] == [bytes([n]) * 1000 * n for n in range(1, 12)]
    assert len(mirror.asked) == 11


def test_a_damaged_file_in_the_cache_is_fetched_again(site: Site, mirror: Mirror) -> None:
    jar = mirror.has("a", b"right")
    (path,) = fetch(site, "kafka", [jar])
    path.write_bytes(b"wrong")
    assert fetch(site, "kafka", [jar])[0].read_bytes() == b"right"


@pytest.mark.parametrize("sent", [b"WRONG", b"", b"rig", b"right and more" * 100_000])
def test_a_file_that_is_not_the_one_of_the_lock_is_refused_and_not_kept(site: Site, mirror: Mirror, sent: bytes) -> None:
    jar = mirror.has("a", b"right")
    mirror.files = dict.fromkeys(mirror.files, sent)
    with pytest.raises(Fault, match=r"a-1.0.jar is not the file of the lock: expected sha256 .* found .*; check the mirror"):
        fetch(site, "kafka", [jar])
    assert left(site) == []


def test_a_server_that_stumbles_is_asked_again(site: Site, mirror: Mirror) -> None:
    jar = mirror.has("a", b"right")
    mirror.failures = 2
    assert fetch(site, "kafka", [jar])[0].read_bytes() == b"right"


def test_an_archive_that_is_not_there_is_said_at_once(site: Site, mirror: Mirror) -> None:
    jar = mirror.has("a", b"right")
    mirror.files.clear()
    with pytest.raises(Fault, match=r"cannot download a-1.0.jar: the answer was 404; check the mirror http"):
        fetch(site, "kafka", [jar])
    assert len(mirror.asked) == 1


def test_no_network_is_one_line(tmp_path: Path) -> None:
    nowhere = Site(Places(tmp_path, tmp_path), {}, {}, Quiet(), "http://127.0.0.1:9")
    with pytest.raises(Fault, match=r"no connection; check the network or proxy, or check the mirror http") as found:
        fetch(nowhere, "kafka", [Jar("broker", "org.x", "a", "1.0", "0" * 64, 5)])
    assert "\n" not in str(found.value)


def test_a_mirror_that_is_no_address_is_one_line(tmp_path: Path) -> None:
    nowhere = Site(Places(tmp_path, tmp_path), {}, {}, Quiet(), "not an address")
    with pytest.raises(Fault, match="mirror"):
        fetch(nowhere, "kafka", [Jar("broker", "org.x", "a", "1.0", "0" * 64, 5)])


def test_a_cancelled_start_stops_fetching(site: Site, mirror: Mirror) -> None:
    jar = mirror.has("a", b"right")
    site.stopping.set()
    with pytest.raises(Cancelled):
        fetch(site, "kafka", [jar])
    assert left(site) == []


def test_a_cache_that_cannot_be_written_is_named(site: Site, mirror: Mirror) -> None:
    site.places.cache.write_text("a file")
    with pytest.raises(Fault, match=r"cannot write to .*AFFLUENT_CACHE_DIR"):
        fetch(site, "kafka", [mirror.has("a", b"right")])


def test_progress_ends_at_the_whole(site: Site, mirror: Mirror) -> None:
    told: list[tuple[int, int]] = []

    class Listener(Quiet):
        def fetch(self, server: str, done: int, total: int) -> None:
            assert server == "kafka"
            told.append((done, total))

    site.progress = Listener()
    fetch(site, "kafka", [mirror.has("a", b"x" * 900_000), mirror.has("b", b"y" * 100_000)])
    assert max(told) == (1_000_000, 1_000_000)


def test_the_lock_names_the_broker_and_the_registry() -> None:
    broker, registry = locked("broker"), locked("registry")
    assert len(broker) == 45
    assert {jar.version for jar in broker if jar.artifact.startswith("kafka")} == {"4.3.1"}
    assert [(jar.artifact, jar.version) for jar in registry] == [("apicurio-registry-app", "3.3.3")]
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in broker + registry)
    assert len({jar.file for jar in broker + registry}) == 46
