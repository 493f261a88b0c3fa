"""How does onnxruntime answer? On the caller's own thread, with no thread of its own to wait for or to spin."""

from functools import cached_property
from typing import Any

from models.scoring.contract import Rows, ScoreFailed, failure
from models.scoring.library import Library


class Session(Library):
    """An ONNX graph with one input float32 (n, features), whose first output is one number per row."""

    name = "onnxruntime"

    def _answer(self, x: Rows) -> Any:
        return self._session.run([self._output], {self._input: x})[0]

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
