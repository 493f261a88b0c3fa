"""How does a model part answer? By the one backend that its bundle names, the same for every replay.

`scorer(backend, files)` gives the answering part of a bundle; `choice.prepare` measures the backends when a model is trained,
and the manifest keeps the table and the name of the one in force. Nothing is chosen at run time. Importing this package is
cheap: onnxruntime, xgboost and numba are loaded by the backend that needs them.
"""

from models.scoring.backends import BACKENDS, Backend, scorer
from models.scoring.contract import Answers, ScoreFailed, Scorer, Unsupported

__all__ = ["BACKENDS", "Answers", "Backend", "ScoreFailed", "Scorer", "Unsupported", "scorer"]
