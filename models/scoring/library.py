"""What is alike in all backends that hand rows to a library? They are loaded when first asked, and whatever goes wrong is ScoreFailed."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from models.scoring.contract import Answers, Rows, ScoreFailed, checked, failure


class Library(ABC):
    """A model part that a library runs. Rows and answers are checked here, and nowhere else."""

    name: str

    def __init__(self, model: bytes) -> None:
        """model: the backend's own format; one that cannot be loaded fails to score."""
        self._model = model

    def warm(self) -> None:
        """Load the model and run it once."""
        self(np.zeros((1, self._width), np.float32))

    def __call__(self, x: Rows) -> Answers:
        """Return the answer for each row."""
        x = checked(x, self._width)
        if not len(x):
            return np.empty(0, np.float32)
        try:
            found = self._answer(x)
        except ScoreFailed:
            raise
        except Exception as error:
            raise failure(error) from error
        if not isinstance(found, np.ndarray) or found.size != len(x) or found.dtype.kind != "f":
            raise ScoreFailed(f"expected one number per row, found {_shape_of(found)} for {len(x)} rows")
        return found.reshape(len(x))

    @property
    @abstractmethod
    def _width(self) -> int:
        """Return how many features a row has. Raises ScoreFailed if the model cannot be used."""

    @abstractmethod
    def _answer(self, x: Rows) -> Any:
        """Return what the library says; it may raise anything."""


def _shape_of(found: Any) -> str:
    return f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
