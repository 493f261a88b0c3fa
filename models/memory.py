"""Where do arrays lie that grow for as long as a process lives? In address space set aside for them, at one place.

Address space costs nothing until it is written to: the array is made as long as it may ever get, the system gives it pages as they
are touched, and takes them back when told. So growing copies nothing and moves nothing. Where address space is rationed (a limit
on it, or a system that counts every promise of memory), an array is as long as it is now and grows by copying.
"""

import mmap
import resource
import sys
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RESERVED_BYTES = 1 << 32
RESERVED_ROWS = 1 << 24
_NORESERVE = 0x4000  # Linux's MAP_NORESERVE, which the mmap module of Python 3.11 does not name
_STRICT = "2"
"""The setting of vm.overcommit_memory under which untouched pages count against a limit."""


@cache
def reservable() -> bool:
    """Whether address space is free of charge here."""
    if sys.platform != "linux" or resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return False
    try:
        return Path("/proc/sys/vm/overcommit_memory").read_text().strip() != _STRICT
    except OSError:
        return False


class Growing:
    """Zeroed items of fixed size that appear as they are asked for. Take `items` after `reach` or `release`: they may have moved."""

    def __init__(self, item_bytes: int, size: int = 0, most: int = RESERVED_ROWS) -> None:
        """most: for how many items to set address space aside; more than that are moved."""
        self._item, self._most = item_bytes, most
        self._map(size)

    def _map(self, size: int) -> None:
        reserved = max(size, min(self._most, RESERVED_BYTES // self._item)) if reservable() else size
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        length = max(reserved * self._item, 1)
        try:
            self._pages = mmap.mmap(-1, length, flags=flags | (_NORESERVE if sys.platform == "linux" else 0))
        except OSError:
            self._pages = mmap.mmap(-1, max(size * self._item, 1), flags=flags)
        # Where huge pages are the rule, one touched row would take two megabytes.
        self._advise("MADV_NOHUGEPAGE", 0, len(self._pages))
        self._all = np.frombuffer(self._pages, np.uint8)
        self.size = size

    @property
    def items(self) -> NDArray[np.uint8]:
        """What there is now, as bytes: (size, item_bytes)."""
        return self._all[: self.size * self._item].reshape(self.size, self._item)

    def reach(self, size: int) -> None:
        """Have at least this many items; new ones are zero."""
        if size * self._item > len(self._all):
            was = self.items
            self._map(max(size, 2 * self.size))
            self.items[: len(was)] = was
        self.size = max(self.size, size)

    def release(self, start: int, stop: int) -> None:
        """Make items start to stop zero again and give their whole pages back to the system."""
        a, b = start * self._item, stop * self._item
        first, last = -(-a // mmap.PAGESIZE) * mmap.PAGESIZE, b // mmap.PAGESIZE * mmap.PAGESIZE
        if first < last and self._advise("MADV_DONTNEED", first, last - first):
            self._all[a:first] = 0
            self._all[last:b] = 0
        else:
            self._all[a:b] = 0

    def _advise(self, what: str, start: int, length: int) -> bool:
        """Tell the system; False where it does not listen. Only Linux empties pages at once when they are not needed."""
        if sys.platform != "linux":
            return False
        try:
            self._pages.madvise(getattr(mmap, what), start, length)
        except OSError:  # a kernel without huge pages will not hear of them
            return False
        return True
