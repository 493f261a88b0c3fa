"""Are kernels compiled once, for their own types only, and anew when any file of the package changes?"""

import sys
from pathlib import Path

import numpy as np
import pytest

from schemas.columns import Strings, compiled, warm
from schemas.columns.compiled import I64, kernel, reads, writes


@kernel(I64, reads(I64), writes(I64))
def double_all(values: np.ndarray, out: np.ndarray) -> int:
    for i in range(values.shape[0]):
        out[i] = 2 * values[i]
    return 0


def test_a_kernel_takes_arrays_of_its_types_writable_or_not_and_no_others() -> None:
    out, values = np.zeros(3, np.int64), np.arange(3)
    values.flags.writeable = False

    double_all(values, out)

    assert out.tolist() == [0, 2, 4]
    with pytest.raises(TypeError):
        double_all(values.astype(np.float32), out)
    with pytest.raises(TypeError):
        double_all(np.arange(6)[::2], out)
    with pytest.raises(TypeError):
        double_all(out, values)


def test_a_kernel_keeps_no_array_alive() -> None:
    out, values = np.zeros(3, np.int64), np.arange(3)
    before = sys.getrefcount(values)

    for _ in range(100):
        double_all(values, out)

    assert sys.getrefcount(values) == before


def test_after_warming_nothing_is_left_to_compile() -> None:
    warm()

    assert all(each.compiled is not None for each in compiled._kernels)
    assert Strings.of(["a"]).pack().tolist() == ["a"]


def test_the_cache_looks_at_every_file_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("x = 1")
    before = compiled.stamp.__wrapped__(tmp_path)

    (tmp_path / "helper.py").write_text("x = 2")

    assert compiled.stamp.__wrapped__(tmp_path) != before
    cached = compiled._PackageCache(double_all.function)  # type: ignore[attr-defined]  # a kernel is more than the function it was
    assert cached._cache_file._source_stamp[1] == compiled.stamp(compiled.PACKAGE)
