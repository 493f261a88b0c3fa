"""How do the Python peers ask the forest? ONNX Runtime on one thread, which is right for one pinned core."""

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray


class Forest:
    """The model, ready to score."""

    def __init__(self, path: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def delays(self, rows: NDArray[np.float32]) -> list[float]:
        """Return the expected delay of each row of features, seconds."""
        found: list[float] = self._session.run(None, {self._input: rows})[0][:, 0].tolist()
        return found
