"""How is an open-loop load sent? Job i leaves when it is due, whoever is slow.

    python -m tests.benchmarks.harness.send --topic T --first F --jobs N --rate R --at MONOTONIC_S

Prints how late the latest was: a load that is itself behind measures nothing.
"""

import argparse
import time

from affluent import wiring
from infra import kafka
from tests.benchmarks.work.records import records

STEP_S = 0.0005


def main() -> None:
    """Read the command line, wait for the moment, send."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--topic", required=True)
    for name in ("--first", "--jobs"):
        options.add_argument(name, type=int, required=True)
    for name in ("--rate", "--at"):
        options.add_argument(name, type=float, required=True)
    given = options.parse_args()
    _, _, keys, values = records(given.first, given.first + given.jobs)
    pairs = list(zip(keys.raws(), values.raws(), strict=True))
    producer = kafka.producer(wiring.settings().kafka, **{"linger.ms": 1, "queue.buffering.max.messages": 1_000_000})
    producer.list_topics(given.topic, timeout=10)
    print("ready", flush=True)
    sent, behind = 0, 0.0
    while sent < len(pairs):
        now = time.monotonic()
        due = min(len(pairs), max(sent, int((now - given.at) * given.rate) + 1)) if now >= given.at else sent
        if due == sent:
            time.sleep(STEP_S)
            continue
        behind = max(behind, now - given.at - sent / given.rate)
        for key, value in pairs[sent:due]:
            producer.produce(given.topic, value, key)
        producer.poll(0)
        sent = due
    left = producer.flush(30)
    print(f"sent={sent - left} behind_ms={behind * 1000:.1f}", flush=True)


if __name__ == "__main__":
    main()
