"""Which backends are there, and which files of a bundle does each one read?"""

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

from models.scoring.contract import ScoreFailed, Scorer

Backend: TypeAlias = Literal["onnxruntime", "forest", "xgboost"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)

ONNX, FOREST, XGBOOST = "model.onnx", "forest.bin", "model.ubj"
FILES: dict[Backend, str] = {"onnxruntime": ONNX, "forest": FOREST, "xgboost": XGBOOST}
"""The one file that each backend reads."""


def scorer(backend: str, files: Mapping[str, bytes]) -> Scorer:
    """Return the model part of a bundle. Cheap: what is slow happens in `warm`, or at the first call.

    backend: as the manifest names it. files: the bundle's, by name. Raises ScoreFailed if we know no such backend or its file
    is missing.
    """
    name = next((known for known in BACKENDS if known == backend), None)
    if name is None:
        raise ScoreFailed(f"expected a backend among {', '.join(BACKENDS)}, found {backend!r}")
    if FILES[name] not in files:
        raise ScoreFailed(f"{FILES[name]}: missing, and the backend {name} reads it")
    model = files[FILES[name]]
    if name == "forest":
        from models.scoring.forest import Forest

        return Forest(model)
    if name == "xgboost":
        from models.scoring.boosted import Boosted

        return Boosted(model)
    from models.scoring.session import Session

    return Session(model)
