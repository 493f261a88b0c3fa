"""How is a fold made fast? By numba, in one way everywhere: cached on disk, without the GIL, IEEE arithmetic as written.

numba's own disk cache looks at the file of a function alone, not at what it calls or at constants it takes from other files; here
the cache is stale as soon as any module of ours that the function's module imports, directly or not, has changed.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

P = ParamSpec("P")
R = TypeVar("R")

_OPTIONS = {"nogil": True, "fastmath": False}
_LEAN = {"_nrt": False}
"""Without numba's counting of references, whose atomic steps would cost more than a small function's work."""
_IMPORT = re.compile(r"^from (models[.\w]*) import (?:\(([\w,\s]*)\)|([\w, ]+))", re.MULTILINE)


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function compiled to machine code at its first call; no fast-math, so replays repeat to the bit."""
    return cast("Callable[P, R]", _cached(njit(**_OPTIONS)(function), function))


def lean(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that makes no arrays, compiled to machine code at its first call."""
    return cast("Callable[P, R]", _cached(njit(**_OPTIONS, **_LEAN)(function), function))


def inner(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that makes no arrays, to be called by compiled ones and to become part of them."""
    return cast("Callable[P, R]", njit(**_OPTIONS, **_LEAN, forceinline=True)(function))


def _cached(dispatcher: Any, function: Callable[..., Any]) -> Any:
    with suppress(RuntimeError):  # nowhere to write: then it is compiled in each process
        dispatcher._cache = _Cache(function)
    return dispatcher


class _Cache(FunctionCache):  # type: ignore[misc]  # numba ships no types
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        own = self._impl.locator.get_source_stamp()
        self._cache_file = IndexDataCacheFile(
            self._cache_path, self._impl.filename_base, (own, stamp(function.__code__.co_filename))
        )


@cache
def stamp(file: str) -> str:
    """Return a hash of a module's file and of all modules of models that it imports, as they were at the first call."""
    digest, waiting, met = sha256(), [file], {file}
    while waiting:
        source = Path(waiting.pop()).read_bytes()
        digest.update(source)
        for package, *names in _IMPORT.findall(source.decode()):
            for name in (package, *(f"{package}.{each.strip()}" for each in ",".join(names).split(",") if each.strip())):
                found = _file(name)
                if found is not None and found not in met:
                    met.add(found)
                    waiting.append(found)
    return digest.hexdigest()


@cache
def _file(name: str) -> str | None:
    try:
        found = find_spec(name)
    except ModuleNotFoundError:  # the name of a thing within a module
        return None
    return None if found is None else found.origin
