"""Real servers on one machine: Kafka, the schema registry, Postgres, Valkey and Prometheus, without root or containers.

with running_stack() as stack:      # or: stack = up() ... down()
    producer = Producer({"bootstrap.servers": stack.brokers})
"""

from infra.stack.guarded import running_stack
from infra.stack.progress import Progress, Quiet
from infra.stack.servers import PORTS
from infra.stack.starting import up
from infra.stack.state import StackState, running
from infra.stack.status import ServerStatus, StackStatus, status
from infra.stack.stopping import down

__all__ = [
    "PORTS", "Progress", "Quiet", "ServerStatus", "StackState", "StackStatus", "down", "running", "running_stack", "status", "up",
]  # fmt: skip
