"""How do records come and go without a Python object each? By librdkafka's own C interface, whole columns at a time.

confluent-kafka brings the library along and gives every record an object, which costs more than Kafka does. The hot path (what
agents read and write, state logs, replays) goes through here; everything else uses confluent-kafka as it is.
"""

from infra.librdkafka.consumer import Consumer, Fetched, Place
from infra.librdkafka.producer import Producer, Report

__all__ = ["Consumer", "Fetched", "Place", "Producer", "Report"]
