"""Which servers make the stack?"""

from infra.stack.kafka import KAFKA
from infra.stack.postgres import POSTGRES
from infra.stack.prometheus import PROMETHEUS
from infra.stack.registry import REGISTRY
from infra.stack.server import Server
from infra.stack.valkey import VALKEY

SERVERS: tuple[Server, ...] = (POSTGRES, VALKEY, KAFKA, REGISTRY, PROMETHEUS)
SIGNALS = {server.name: server.stop_signal for server in SERVERS}
PORTS = tuple(port for server in SERVERS for port in server.ports)
