"""How does one get the peers that need more than this project?

    python -m tests.benchmarks.peers.install [quix] [kafka_streams]

Downloads go into the stack's cache folder, checked by hash, once.
"""

import argparse
import sys
import time

from infra.errors import Fault
from tests.benchmarks.peers.environment import QUIX
from tests.benchmarks.peers.kafka_streams.build import KAFKA_STREAMS

KITS = {kit.name: kit for kit in (QUIX, KAFKA_STREAMS)}


def main() -> int:
    """Install the named peers, or all. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="which; default: all")
    names = parser.parse_args().name or [*KITS]
    if unknown := sorted(set(names) - set(KITS)):
        parser.error(f"nothing to install for {', '.join(unknown)}: expected {', '.join(KITS)}")
    code = 0
    for name in names:
        began = time.monotonic()
        try:
            print(f"{name}: {KITS[name].install()} ({time.monotonic() - began:.1f} s)", flush=True)
        except Fault as fault:
            print(f"{name}: {fault}", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
