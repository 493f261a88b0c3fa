"""How is the broker of a stack struck, and how are its topics changed? By the process that its state file names, or by its admin."""

import os
import signal
import time

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, by its documentation
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from infra.stack import StackState, state, up
from infra.stack.places import Places, default_cache


def _pid(stack: StackState) -> int:
    return state.read(Places(stack.directory, default_cache())).servers["kafka"].pid


def stand_still(stack: StackState, seconds: float) -> None:
    """Stop the broker as it stands, and let it go on."""
    pid = _pid(stack)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def restart(stack: StackState, how: int = signal.SIGTERM) -> float:
    """End the broker by a signal and start it again at its address; returns how long it was away, seconds."""
    pid, began = _pid(stack), time.monotonic()
    os.kill(pid, how)
    while state.read(Places(stack.directory, default_cache())).servers["kafka"].alive:
        time.sleep(0.05)
    again = up(directory=stack.directory, guardian=os.getpid())
    assert again.brokers == stack.brokers
    return time.monotonic() - began


def configure(stack: StackState, topic: str | None, **values: str) -> None:
    """Set the configuration of a topic, or of the broker where none is named; underscores stand for dots."""
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET) for name, value in values.items()
    ]
    kind, name = (ResourceType.BROKER, "1") if topic is None else (ResourceType.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": stack.brokers})
    for future in admin.incremental_alter_configs([ConfigResource(kind, name, incremental_configs=entries)]).values():
        future.result()


def retain(stack: StackState, topic: str, partition: int, first: int) -> None:
    """Remove what lies before an offset, as retention does."""
    admin = AdminClient({"bootstrap.servers": stack.brokers})
    for future in admin.delete_records([TopicPartition(topic, partition, first)]).values():
        future.result()
