"""How does a model part answer? By onnxruntime, on one thread, with the same bits however the rows are cut."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ScoreFailed(Exception):
    """The model part cannot answer: the next rung of the ladder may."""


class Scorer:
    """A model part with an input `x` float32 (n, features) and an output float32 (n, 1)."""

    def __init__(self, model: bytes) -> None:
        """model: ONNX; it is loaded when first asked, and one that cannot be loaded fails to score."""
        self._model = model

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the answer for each row, float64 (n,). x: float32 (n, features). Raises ScoreFailed."""
        if not len(x):
            return np.empty(0, np.float64)
        session = self._session
        try:
            return np.asarray(session.run(None, {"x": np.ascontiguousarray(x)})[0], np.float64).reshape(len(x))
        except Exception as error:
            raise ScoreFailed(_first_line(error)) from error

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(self._model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ScoreFailed(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return f"the model part failed: {(str(error).strip() or type(error).__name__).splitlines()[0][:300]}"
