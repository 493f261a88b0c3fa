"""How is the broker set up? One KRaft node that is its own controller, on the JDK that a Python package carries."""

import shutil
import subprocess
from pathlib import Path

from infra.errors import Fault
from infra.stack.downloads import fetch, locked
from infra.stack.java import java
from infra.stack.ports import HOST
from infra.stack.probes import answers_kafka
from infra.stack.processes import Command
from infra.stack.server import Server, Site, reason

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENT",
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # One node: every internal topic has one replica, and few partitions, which is faster to load.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "offsets.retention.minutes": "43200",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # Topics come from the catalogue, never by accident, and each states its own retention: what states none is kept, so
    # records of 2013 stay whatever the clock says.
    "auto.create.topics.enable": "false",
    "delete.topic.enable": "true",
    "log.retention.ms": "-1",
    "message.max.bytes": "1048588",
    # Groups: a killed worker's partitions are given to another after 10 s, by either protocol.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "5000",
    "group.consumer.session.timeout.ms": "10000",
    "group.consumer.min.session.timeout.ms": "5000",
    "group.consumer.heartbeat.interval.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "1000",
    # A killed broker may come back when its session is over; shorter, and a busy machine would fence a broker that lives.
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1000",
    # Sized for one machine; the cleaner's default buffer alone would be half of the heap.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "16777216",
}

LOGGING = """\
status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
logger.cleaner.name = org.apache.kafka.storage.internals.log.LogCleaner
logger.cleaner.level = warn
"""


def properties(*, port: int, controller: int, logs: Path) -> str:
    """Return the broker's configuration for its two ports and its data folder."""
    placed = {
        "listeners": f"CLIENT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"CLIENT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "log.dirs": str(logs),
    }
    return "".join(f"{name}={_escaped(value)}\n" for name, value in {**PROPERTIES, **placed}.items())


def _escaped(value: str) -> str:
    """Return a value as Java's properties files want it: Latin letters, the others as UTF-16 escapes."""
    codes = value.encode("utf-16-be")
    units = (codes[i] << 8 | codes[i + 1] for i in range(0, len(codes), 2))
    return "".join(chr(unit) if 31 < unit < 127 else f"\\u{unit:04x}" for unit in units)


def _prepare(site: Site) -> Command:
    jars = [site.places.cache / "jars" / jar.file for jar in locked("broker")]
    run, data = site.places.run, site.places.data / "kafka"
    machine = java(least_mb=64, most_mb=384)
    classes = ":".join(map(str, jars))
    (run / "log4j2.properties").write_text(LOGGING)
    logging = f"-Dlog4j2.configurationFile={run / 'log4j2.properties'}"
    ports = {"port": site.ports["kafka"], "controller": site.ports["controller"]}
    if not data.exists():
        site.progress.step("kafka", "formatting")
        staged = data.with_name("kafka.new")  # renamed when whole: a folder named `kafka` is always formatted
        shutil.rmtree(staged, ignore_errors=True)
        settings = run / "kafka.format.properties"
        settings.write_text(properties(**ports, logs=staged))
        tool = ["kafka.tools.StorageTool", "format", "-t", site.secrets["cluster"], "-c", str(settings)]
        done = subprocess.run(
            [*machine, logging, "-cp", classes, *tool],
            env=site.environment("kafka"),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Fault(f"kafka could not format {staged}: {reason(done.stderr + done.stdout)}")
        staged.rename(data)
    settings = run / "kafka.properties"
    settings.write_text(properties(**ports, logs=data))
    argv = [*machine, logging, "-cp", classes, "kafka.Kafka", str(settings)]
    return Command(argv, cwd=site.places.run, env=site.environment("kafka"))


def _obtain(site: Site) -> None:
    fetch(site, "kafka", locked("broker"))


KAFKA = Server(
    name="kafka",
    ports=("kafka", "controller"),
    obtain=_obtain,
    prepare=_prepare,
    serves=lambda site: answers_kafka(site.ports["kafka"]),
)
