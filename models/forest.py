"""How does a boosted forest become ONNX? Node by node: XGBoost's thresholds and leaves are float32 already, so nothing is
rounded.

Only training needs this module: it imports xgboost and onnx when called.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from xgboost import Booster

OPSET, ML_OPSET, IR_VERSION = 18, 3, 9
"""Old enough for every onnxruntime of the last years."""


@dataclass(frozen=True)
class Growth:
    """How a forest is grown. learning_rate, trees, depth, leaf_rows and l2 as in XGBoost; absolute: fit the median, else
    the mean.
    """

    trees: int = 120
    depth: int = 6
    learning_rate: float = 0.08
    leaf_rows: float = 50.0
    l2: float = 5.0
    bins: int = 128
    absolute: bool = True
    seed: int = 7

    def as_dict(self) -> dict[str, Any]:
        """Return it as it stands in a manifest."""
        return asdict(self)


def grow(x: NDArray[np.float32], y: NDArray[np.float64], growth: Growth) -> "Booster":
    """Return a forest fitted to rows in any order; the same rows and seed give the same forest, on one thread as it grows.

    After Chen and Guestrin, XGBoost, KDD 2016, histogram method.
    """
    import xgboost

    data = xgboost.QuantileDMatrix(x, y, max_bin=growth.bins, nthread=1)
    given = {
        "objective": "reg:absoluteerror" if growth.absolute else "reg:squarederror", "tree_method": "hist", "nthread": 1,
        "eta": growth.learning_rate, "max_depth": growth.depth, "min_child_weight": growth.leaf_rows, "reg_lambda": growth.l2,
        "max_bin": growth.bins, "seed": growth.seed, "verbosity": 0,
    }  # fmt: skip
    return xgboost.train(given, data, growth.trees)


def answers(forest: "Booster", x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return XGBoost's own predictions, float32 (n,)."""
    import xgboost

    return np.asarray(forest.predict(xgboost.DMatrix(x, nthread=1)), np.float32)


def to_onnx(forest: "Booster", used: Sequence[int], width: int) -> bytes:
    """Return the forest as ONNX: input `x` float32 (n, width), output `y` float32 (n, 1).

    used: for each of the forest's features its column in x; the other columns are not looked at.
    """
    from onnx import TensorProto, helper

    learner = json.loads(forest.save_raw("json").decode())["learner"]
    nodes: dict[str, list[Any]] = {name: [] for name in ("tree", "node", "feature", "mode", "value", "yes", "no", "missing")}
    leaves: dict[str, list[Any]] = {name: [] for name in ("tree", "node", "weight")}
    for number, tree in enumerate(learner["gradient_booster"]["model"]["trees"]):
        _add(tree, number, used, nodes, leaves)
    base = float(np.float32(str(learner["learner_model_param"]["base_score"]).strip("[]")))
    count = len(leaves["tree"])
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM",
        post_transform="NONE", base_values=[base], nodes_treeids=nodes["tree"], nodes_nodeids=nodes["node"],
        nodes_featureids=nodes["feature"], nodes_modes=nodes["mode"], nodes_values=nodes["value"],
        nodes_truenodeids=nodes["yes"], nodes_falsenodeids=nodes["no"], nodes_missing_value_tracks_true=nodes["missing"],
        target_treeids=leaves["tree"], target_nodeids=leaves["node"], target_weights=leaves["weight"], target_ids=[0] * count,
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "forest",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="affluent")
    return bytes(model.SerializeToString(deterministic=True))


def _add(tree: Any, number: int, used: Sequence[int], nodes: dict[str, list[Any]], leaves: dict[str, list[Any]]) -> None:
    """Write one tree: left is where `value < threshold` holds."""
    left, right, values = tree["left_children"], tree["right_children"], tree["split_conditions"]
    for place, (yes, no, value) in enumerate(zip(left, right, values, strict=True)):
        leaf = yes == -1
        nodes["tree"].append(number)
        nodes["node"].append(place)
        nodes["feature"].append(0 if leaf else used[tree["split_indices"][place]])
        nodes["mode"].append("LEAF" if leaf else "BRANCH_LT")
        nodes["value"].append(0.0 if leaf else float(value))
        nodes["yes"].append(0 if leaf else yes)
        nodes["no"].append(0 if leaf else no)
        nodes["missing"].append(0 if leaf else int(tree["default_left"][place]))
        if leaf:
            leaves["tree"].append(number)
            leaves["node"].append(place)
            leaves["weight"].append(float(value))


def made_with() -> dict[str, str]:
    """Return the versions of the libraries that a forest's bytes depend on."""
    import onnx
    import xgboost

    return {"xgboost": xgboost.__version__, "onnx": onnx.__version__, "numpy": np.__version__}
