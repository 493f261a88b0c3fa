"""Where is what a peer needs beyond this project? In a folder of the stack's cache that is whole, or not there."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from affluent.stack import places
from infra.errors import Fault
from infra.settings import Settings
from infra.stack.places import default_cache, no_place


def cache() -> Path:
    """Return the folder of all that is downloaded, as the settings say."""
    return places(Settings()).cache or default_cache()


@dataclass(frozen=True, slots=True)
class Kit:
    """What one peer needs. inputs: files whose bytes decide it. make: fills a folder; raises Fault that says why it cannot."""

    name: str
    inputs: tuple[Path, ...]
    make: Callable[[Path], None]
    also: str = ""

    @property
    def folder(self) -> Path:
        """Where it is or will be; another one if what decides it has changed."""
        digest = sha256(self.also.encode() + b"".join(path.read_bytes() for path in self.inputs))
        return cache() / "peers" / f"{self.name}-{digest.hexdigest()[:12]}"

    def missing(self) -> str | None:
        """Return why the peer cannot run, None if it can."""
        return None if self.folder.exists() else f"not installed: run `python -m tests.benchmarks.peers.install {self.name}`"

    def require(self) -> Path:
        """Return the folder; raises Fault if it is not there."""
        if reason := self.missing():
            raise Fault(f"the peer {self.name} is {reason}")
        return self.folder

    def install(self) -> Path:
        """Return the folder, made first if it is not there. Raises Fault."""
        folder = self.folder
        if not folder.exists():
            try:
                folder.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True) as half:
                    self.make(Path(half))
                    Path(half).rename(folder)
            except OSError as error:
                if not folder.exists():  # else another process was faster
                    raise no_place(error, folder, "AFFLUENT_CACHE_DIR") from error
        return folder
