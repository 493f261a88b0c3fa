"""What do the tests of the stack ask of its servers? A topic, a record, an answer over HTTP, and patience."""

import json
import threading
from collections.abc import Callable
from urllib.request import Request, urlopen

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # not re-exported by name

from infra.stack import StackState


def eventually(true: Callable[[], bool], patience_s: float = 60) -> None:
    """Return as soon as something is true; fail if it never is."""
    tick = threading.Event()
    for _ in range(int(patience_s / 0.05)):
        if true():
            return
        tick.wait(0.05)
    pytest.fail("it never came true")


def ask(address: str, body: object = None, method: str | None = None) -> dict[str, object]:
    data = None if body is None else json.dumps(body).encode()
    request = Request(address, data=data, method=method, headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        return dict(json.load(answer))


def produce(stack: StackState, topic: str, value: bytes, timestamp: int = 0) -> None:
    producer = Producer({"bootstrap.servers": stack.brokers})
    producer.produce(topic, value, timestamp=timestamp)
    assert producer.flush(30) == 0


def create(stack: StackState, topic: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": stack.brokers})
    admin.create_topics([NewTopic(topic, 1, config=config)])[topic].result()


def first(stack: StackState, topic: str) -> tuple[bytes | None, int]:
    """The first record of a topic and its time on the broker, ms."""
    consumer = Consumer({"bootstrap.servers": stack.brokers, "group.id": "t", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    message = consumer.poll(30)
    consumer.close()
    assert message is not None
    return message.value(), message.timestamp()[1]
