"""How does XGBoost itself answer? Straight from its own file, without ONNX between.

xgboost is imported only by bundles that name this backend: that alone costs seconds.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.scoring.contract import Rows, ScoreFailed, failure
from models.scoring.library import Library

if TYPE_CHECKING:
    from xgboost import Booster

COLUMNS = "affluent.columns"
"""The booster's attribute that says which columns of x are its features: JSON `[width of x, column, column, …]`."""


def to_file(booster: "Booster", columns: Sequence[int], width: int) -> bytes:
    """Return a trained booster as the file of a bundle. columns: for each of its features its column in x (n, width)."""
    marked = booster.copy()
    marked.set_attr(**{COLUMNS: json.dumps([width, *columns])})
    return bytes(marked.save_raw("ubj"))


class Boosted(Library):
    """A booster with one output, as `to_file` wrote it, or one that looks at every column; UBJSON or JSON."""

    name = "xgboost"

    def _answer(self, x: Rows) -> NDArray[np.float32]:
        rows = x if self._columns is None else x[:, self._columns]
        return np.asarray(self._booster.inplace_predict(rows, missing=np.nan), np.float32)

    @cached_property
    def _booster(self) -> "Booster":
        import xgboost

        try:
            booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(self._model))
        except Exception as error:
            raise failure(error) from error
        return booster

    @cached_property
    def _layout(self) -> list[int] | None:
        text = self._booster.attr(COLUMNS)
        try:
            layout = None if text is None else [int(each) for each in json.loads(text)]
        except (TypeError, ValueError):
            raise ScoreFailed(f"{COLUMNS}: expected a list of whole numbers, found {text!r}") from None
        inside = layout is None or (len(layout) > 1 and all(0 <= column < layout[0] for column in layout[1:]))
        if layout is not None and not (inside and len(layout) - 1 == self._booster.num_features()):
            features = self._booster.num_features()
            raise ScoreFailed(f"{COLUMNS}: expected a width and {features} columns below it, found {text}")
        return layout

    @cached_property
    def _width(self) -> int:
        return self._booster.num_features() if self._layout is None else self._layout[0]

    @cached_property
    def _columns(self) -> NDArray[np.int64] | None:
        layout = self._layout
        if layout is None or layout[1:] == list(range(layout[0])):
            return None
        return np.array(layout[1:], np.int64)
