"""How does onnxruntime answer? On the caller's own thread, with no thread of its own to wait for or to spin."""

from functools import cached_property
from typing import Any

import numpy as np

from models.scoring.contract import Answers, Rows, ScoreFailed, checked, failure


class Session:
    """An ONNX graph with one input float32 (n, features), whose first output is one number per row."""

    name = "onnxruntime"

    def __init__(self, model: bytes) -> None:
        """model: ONNX; it is loaded when first asked, and one that cannot be loaded fails to score."""
        self._model = model

    def warm(self) -> None:
        """Load the graph and run it once."""
        self(np.zeros((1, self._width), np.float32))

    def __call__(self, x: Rows) -> Answers:
        """Return the answer for each row."""
        x = checked(x, self._width)
        if not len(x):
            return np.empty(0, np.float32)
        try:
            found = self._session.run([self._output], {self._input: x})[0]
        except Exception as error:
            raise failure(error) from error
        if not isinstance(found, np.ndarray) or found.size != len(x) or found.dtype.kind != "f":
            raise ScoreFailed(f"expected one number per row from {self._output}, found {_shape_of(found)} for {len(x)} rows")
        return found.reshape(len(x))

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(self._model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise failure(error) from error

    @cached_property
    def _width(self) -> int:
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) != 2 or not isinstance(shape[1], int) or inputs[0].type != "tensor(float)":
            found = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
            raise ScoreFailed(f"expected a graph with one input float32 (n, features), found {found}")
        return int(shape[1])

    @cached_property
    def _input(self) -> str:
        return str(self._session.get_inputs()[0].name)

    @cached_property
    def _output(self) -> str:
        return str(self._session.get_outputs()[0].name)


def _shape_of(found: Any) -> str:
    return f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
