"""Which forest answers? 100 trees of depth 10 by scikit-learn, as ONNX, grown once and kept in the cache folder.

    python -m tests.benchmarks.work.forest      # prints where it is

The backend `forest` reads another file beside it: the same trees as our compiled kernels walk them.
"""

from collections import defaultdict
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.stack.places import default_cache
from models.scoring.graph import read
from tests.benchmarks.work import domain, load
from tests.benchmarks.work.domain import FEATURES, Courier, features
from tests.benchmarks.work.load import Jobs, jobs, restaurant_id

ROWS, TREES, DEPTH, SEED = 30_000, 100, 10, 7
ONNX, COMPILED = "model.onnx", "forest.bin"


def folder() -> Path:
    """Return where all that is drawn or grown once is kept: another folder if the code that decides it is another."""
    digest = sha256()
    for module in (domain.__file__, load.__file__, __file__):
        digest.update(Path(module).read_bytes())
    found = default_cache() / "bench" / digest.hexdigest()[:12]
    found.mkdir(parents=True, exist_ok=True)
    return found


def seen(given: Jobs) -> NDArray[np.float32]:
    """Return the features of jobs, float32 (n, 20), by the plain program, from couriers nobody knows yet."""
    couriers: defaultdict[int, Courier] = defaultdict(Courier)
    out = np.empty((len(given["number"]), FEATURES), np.float32)
    columns = {name: column.tolist() for name, column in given.items()}
    columns["restaurant_id"] = [restaurant_id(number) for number in columns["restaurant"]]
    names = [*columns]
    for row, values in enumerate(zip(*columns.values(), strict=True)):
        job = dict(zip(names, values, strict=True))
        out[row] = features(job, couriers[job["courier"]])
    return out


def truth(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return a delay for each row, seconds: something for trees to find, with noise."""
    noise = np.random.default_rng(SEED).normal(0, 60, len(x))
    calm = 60 * x[:, 0] + 20 * x[:, 7] + 200 * x[:, 5] * x[:, 6] + 15 * x[:, 14]
    return calm + 100 * x[:, 6] * x[:, 9] + 150 * np.sin(x[:, 2]) - 40 * x[:, 10] + noise


def grow() -> bytes:
    """Return the forest as ONNX."""
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestRegressor

    x = seen(jobs(0, ROWS))
    grown = RandomForestRegressor(TREES, max_depth=DEPTH, random_state=SEED, n_jobs=2).fit(x, truth(x))
    return bytes(to_onnx(grown, x[:1], target_opset={"": 17, "ai.onnx.ml": 3}).SerializeToString())


def model() -> Path:
    """Return the path of the ONNX file, with the compiled forest's beside it; grows them if they are not there."""
    path = folder() / ONNX
    if not path.exists() or not path.with_name(COMPILED).exists():
        content = grow()
        path.with_name(COMPILED).write_bytes(read(content).to_bytes())
        half = path.with_suffix(".part")
        half.write_bytes(content)
        half.replace(path)
    return path


def files(path: Path) -> dict[str, bytes]:
    """Return the files of the model by name, as `models.scoring.scorer` takes them."""
    return {name: path.with_name(name).read_bytes() for name in (ONNX, COMPILED)}


if __name__ == "__main__":
    print(model())
