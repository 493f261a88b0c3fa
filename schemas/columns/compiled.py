"""How are this package's kernels compiled? Once per signature, cached on disk, without the GIL, and never by surprise at run time.

A kernel states its types, so another dtype is a TypeError and not a silent compilation. The disk cache of numba looks only at the
file of the function, not at the helpers it inlines from other files; here the stamp covers every file of the package.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit, types
from numba.core.caching import FunctionCache, IndexDataCacheFile

PACKAGE = Path(__file__).parent

P = ParamSpec("P")
R = TypeVar("R")

_OPTIONS = {"_nrt": False, "nogil": True, "fastmath": False, "error_model": "numpy"}
"""Without `_nrt`, numba's counting of references: a kernel makes no arrays, its caller holds them all, and atomic counting around each
helper would cost more than the helper."""

I64, I32, I16, U8, U64 = types.int64, types.int32, types.int16, types.uint8, types.uint64
F64, BIT = types.float64, types.boolean


def reads(item: Any, ndim: int = 1) -> Any:
    """Return the type of an array that a kernel only reads; a writable array may be given too."""
    return types.Array(item, ndim, "C", readonly=True)


def writes(item: Any, ndim: int = 1) -> Any:
    """Return the type of an array that a kernel fills."""
    return types.Array(item, ndim, "C")


@cache
def stamp(package: Path) -> str:
    """Return a hash of all modules of a package, as they were at the first call."""
    digest = sha256()
    for file in sorted(package.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


class _PackageCache(FunctionCache):  # type: ignore[misc]  # numba ships no types
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        both = (self._impl.locator.get_source_stamp(), stamp(PACKAGE))
        self._cache_file = IndexDataCacheFile(self._cache_path, self._impl.filename_base, both)


class _Kernel:
    def __init__(self, function: Callable[..., Any], signature: Any) -> None:
        self.function, self.signature = function, signature
        self.compiled: Callable[..., Any] | None = None

    def __call__(self, *args: Any) -> Any:
        return (self.compiled or self.compile())(*args)

    def compile(self) -> Callable[..., Any]:
        dispatcher = njit(**_OPTIONS, no_cfunc_wrapper=True)(self.function)
        with suppress(RuntimeError):  # nowhere to write: then it is compiled in each process
            dispatcher._cache = _PackageCache(self.function)
        dispatcher.compile(self.signature)
        dispatcher.disable_compile()
        self.compiled = dispatcher
        return cast("Callable[..., Any]", dispatcher)


_kernels: list[_Kernel] = []


def kernel(result: Any, *arguments: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a kernel with these types; it is compiled, or loaded from the cache, at its first call or by `warm`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        made = _Kernel(function, result(*arguments))
        _kernels.append(made)
        return cast("Callable[P, R]", made)

    return decorate


def inner(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function callable from kernels, and from nowhere else."""
    return cast("Callable[P, R]", njit(**_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function))


def inner_always(function: Callable[P, R]) -> Callable[P, R]:
    """Make a small function part of every kernel that calls it: a call would cost more than its work."""
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
    return cast("Callable[P, R]", njit(**_OPTIONS, **options)(function))


def warm() -> None:
    """Compile every kernel of the package, or load it from the disk cache, so that nothing is compiled later."""
    for each in _kernels:
        if each.compiled is None:
            each.compile()
