"""What does scoring cost a row, by backend and by rows a call?

    python -m tests.benchmarks.backends [--model random] [--rounds 40] [--json]

Offline, on one thread, CPU time, the best of several rounds with the backends in turn: the figure of a quiet machine. Models: `random`,
a random forest of 100 trees of depth 10; `boosted`, 120 boosted trees of depth 6 with missing values; `deep`, 100 trees grown to
the last row. All look at 20 features.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.forest import Growth, answers, grow
from models.forest import to_onnx as boosted_onnx
from models.scoring import BACKENDS, scorer
from models.scoring.backends import FILES
from models.scoring.boosted import to_file
from models.scoring.choice import SIZES, Table, choose
from models.scoring.graph import read

FEATURES = 20
Made = tuple[dict[str, bytes], NDArray[np.float32], NDArray[Any]]


def sample(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return n rows like those of deliveries, and a delay that depends on them, seconds."""
    random = np.random.default_rng(seed)
    x = random.random((n, FEATURES), np.float32)
    x[:, 0] = random.gamma(2.0, 2.0, n)
    x[:, 1:4] = random.integers([1, 0, 0], [9, 24, 7], (n, 3))
    x[:, 4] = random.normal(12.0, 8.0, n)
    delay = 60 * x[:, 0] + 200 * x[:, 5] * x[:, 6] + 300 * np.sin(x[:, 2]) + 100 * x[:, 7] * x[:, 8]
    return x, delay.astype(np.float64) + random.normal(0, 60, n)


def random_forest(*, rows: int, depth: int | None) -> Made:
    """Return a forest of 100 trees, rows it has not seen, and its own answers to them."""
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestRegressor

    x, y = sample(rows, 7)
    model = RandomForestRegressor(100, max_depth=depth, max_features=6, random_state=7, n_jobs=1).fit(x, y)
    content = to_onnx(model, x[:1], target_opset={"": 17, "ai.onnx.ml": 3}).SerializeToString()
    new = sample(10_000, 8)[0]
    return {"model.onnx": content}, new, model.predict(new)


def boosted() -> Made:
    """Return the delay model's usual forest on rows of which a tenth is unknown."""
    random = np.random.default_rng(9)

    def holes(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(random.random(x.shape) < 0.1, np.float32(np.nan), x)

    x, y = sample(30_000, 7)
    booster = grow(holes(x), y, Growth())
    every, new = range(FEATURES), holes(sample(10_000, 8)[0])
    files = {"model.onnx": boosted_onnx(booster, every, FEATURES), "model.ubj": to_file(booster, every, FEATURES)}
    return files, new, answers(booster, new)


MODELS: dict[str, Callable[[], Made]] = {
    "random": lambda: random_forest(rows=30_000, depth=10),
    "boosted": boosted,
    "deep": lambda: random_forest(rows=8_000, depth=None),
}


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Return one model's table."""
    files, x, expected = MODELS[name]()
    files["forest.bin"] = read(files["model.onnx"]).to_bytes()
    backends = {each: scorer(each, files) for each in BACKENDS if FILES[each] in files}
    warm_ms = {}
    for each, backend in backends.items():
        started = time.perf_counter()
        backend.warm()
        warm_ms[each] = round((time.perf_counter() - started) * 1e3, 1)
    table: Table = choose(backends, x, expected, clock=time.thread_time, rounds=rounds)
    exact = {each: bool((backends[each](x) == backends["onnxruntime"](x)).all()) for each in backends}
    sizes = {each: len(files[FILES[each]]) for each in backends}
    return {"best": table.best, **table.as_dict(), "equal_to_onnxruntime": exact, "warm_ms": warm_ms, "bytes": sizes}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=[*MODELS, "all"], default="all")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    names = list(MODELS) if given.model == "all" else [given.model]
    found: dict[str, Any] = {name: measure(name, given.rounds) for name in names}
    libraries = {name: version(name) for name in ("numpy", "numba", "onnxruntime")}
    machine = {"machine": platform.machine(), "python": platform.python_version(), **libraries, "load": os.getloadavg()[0]}
    if given.json:
        print(json.dumps({"models": found, **machine}))
        return
    print(
        f"{'model':8} {'backend':12}"
        + "".join(f"{f'{size} rows':>11}" for size in SIZES)
        + "   us a row;  same bits, warm ms, bytes"
    )
    for name, table in found.items():
        for backend, line in table["measured"].items():
            times = "".join(f"{line['us_per_row'][str(size)]:11.3f}" for size in SIZES)
            equal, warm, size = (table[key][backend] for key in ("equal_to_onnxruntime", "warm_ms", "bytes"))
            print(f"{name:8} {backend:12}{times}   {'yes' if equal else 'no':>9}  {warm:9.1f}  {size:,}")
        for backend, reason in table["refused"].items():
            print(f"{name:8} {backend:12} refused: {reason}")
    print(", ".join(f"{key} {value}" for key, value in machine.items()))


if __name__ == "__main__":
    main()
