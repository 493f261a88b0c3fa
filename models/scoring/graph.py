"""Is this ONNX graph a forest and nothing else? Then which one?

Read when a model is trained, never by a worker: to import onnx and to parse the graph costs several times what the file of
`ensemble.py` does. What is not recognised to the letter is refused by name, and the bundle stays with onnxruntime.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.scoring.contract import Unsupported
from models.scoring.ensemble import MAX_FEATURES, Ensemble

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

FOREST = "TreeEnsembleRegressor"
_FLOAT, _DOUBLE = 1, 11
_PER_NODE = ("nodeids", "featureids", "values", "truenodeids", "falsenodeids")
_READ = {
    "n_targets", "aggregate_function", "post_transform", "base_values", "nodes_treeids", "nodes_hitrates", "nodes_modes",
    "nodes_missing_value_tracks_true", *(f"nodes_{name}" for name in _PER_NODE),
    "target_ids", "target_nodeids", "target_treeids", "target_weights",
}  # fmt: skip


def read(model: bytes) -> Ensemble:
    """Return the forest of an ONNX model. Raises Unsupported, naming the operator or the attribute that is none of it."""
    from onnx import ModelProto

    try:
        graph = ModelProto.FromString(model).graph
    except Exception as error:
        raise Unsupported("expected an ONNX model, found bytes that are none") from error
    node, width = _only_forest(graph)
    try:
        return _ensemble(_attributes(node), width)
    except KeyError as error:
        raise Unsupported(f"{FOREST}: has no attribute {error.args[0]}") from None
    except ValueError as error:
        raise Unsupported(f"{FOREST}: {error}") from None


def _only_forest(graph: "GraphProto") -> tuple["NodeProto", int]:
    """Return the forest's node and the width of its input, if nothing else in the graph changes a number."""
    constants = {each.name: each for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise Unsupported(f"expected one input and one output, found {len(inputs)} and {len(graph.output)}")
    tensor = inputs[0].type.tensor_type
    shape = [each.dim_value for each in tensor.shape.dim]
    if tensor.elem_type != _FLOAT or len(shape) != 2 or not shape[1]:
        raise Unsupported(f"input {inputs[0].name}: expected float32 (n, features), found type {tensor.elem_type} {shape}")
    at, found = inputs[0].name, None
    for node in graph.node:
        if not node.input or node.input[0] != at or len(node.output) != 1:
            raise Unsupported(f"{node.op_type}: expected one chain of operators from input to output")
        if (node.domain, node.op_type) == ("ai.onnx.ml", FOREST) and found is None:
            found = node
        elif not _changes_nothing(node, constants, after=found is not None):
            raise Unsupported(f"{node.op_type}: not an operator that this backend runs")
        at = node.output[0]
    if found is None or at != graph.output[0].name:
        raise Unsupported(f"expected a {FOREST} that leads to the output, found {[node.op_type for node in graph.node]}")
    return found, int(shape[1])


def _changes_nothing(node: "NodeProto", constants: dict[str, Any], *, after: bool) -> bool:
    """Return whether this node hands its numbers on as they are: before the forest in the same shape, after it one per row."""
    from onnx import numpy_helper

    if node.domain not in {"", "ai.onnx"}:
        return False
    if node.op_type == "Identity":
        return True
    if node.op_type == "Cast":
        # A float32 is the same number as a float64, so after the forest either does.
        return next((each.i for each in node.attribute if each.name == "to"), 0) in ({_FLOAT, _DOUBLE} if after else {_FLOAT})
    if node.op_type == "Reshape" and after and len(node.input) == 2 and node.input[1] in constants:
        return numpy_helper.to_array(constants[node.input[1]]).tolist() in ([-1], [-1, 1])
    return False


def _attributes(node: "NodeProto") -> dict[str, Any]:
    """Return the attributes by name, each as an array or as text."""
    found: dict[str, Any] = {}
    for each in node.attribute:
        if each.name not in _READ:
            raise Unsupported(f"{FOREST}: attribute {each.name} is not one that this backend reads")
        if each.name == "n_targets":
            found[each.name] = int(each.i)
        elif each.name in {"aggregate_function", "post_transform"}:
            found[each.name] = each.s.decode()
        elif each.strings:
            found[each.name] = np.array(each.strings)
        else:
            found[each.name] = np.array(each.floats, np.float32) if each.floats else np.array(each.ints, np.int64)
    return found


def _ensemble(given: dict[str, Any], width: int) -> Ensemble:
    """Return the forest that these attributes are."""
    for name, usual, fine in (
        ("n_targets", 1, {1}), ("aggregate_function", "SUM", {"SUM", "AVERAGE"}), ("post_transform", "NONE", {"NONE"}),
    ):  # fmt: skip
        if given.get(name, usual) not in fine:
            raise Unsupported(f"{FOREST}: {name} is {given[name]}, and this backend runs {' or '.join(map(str, fine))}")
    trees = given["nodes_treeids"]
    of_node = {name: given[f"nodes_{name}"] for name in _PER_NODE}
    missing = given.get("nodes_missing_value_tracks_true", np.zeros(0, np.int64))
    of_node["missing"] = missing if len(missing) else np.zeros(len(trees), np.int64)
    modes = given["nodes_modes"]
    if strange := set(modes.tolist()) - {b"LEAF", b"BRANCH_LEQ", b"BRANCH_LT"}:
        raise Unsupported(f"{FOREST}: mode {min(strange).decode()} is not one that this backend runs")
    of_node["leaf"], of_node["strict"] = modes == b"LEAF", modes == b"BRANCH_LT"
    if any(len(each) != len(trees) for each in of_node.values()):
        raise ValueError("its arrays of nodes differ in length")
    features, most = of_node["featureids"][~of_node["leaf"]], min(width, MAX_FEATURES) - 1
    if len(features) and not 0 <= features.min() <= features.max() <= most:
        raise ValueError(f"expected features from 0 to {most}, found {features.min()} to {features.max()}")
    firsts = np.flatnonzero(np.diff(trees, prepend=trees[:1] - 1))
    if len(np.unique(trees[firsts])) != len(firsts):
        raise ValueError("expected the nodes of a tree side by side")
    base = given.get("base_values", np.zeros(0, np.float32))
    if len(base) > 1 or given.get("target_ids", np.zeros(0)).any():
        raise ValueError("expected one target")
    weights = _weights(given)
    parts = [
        _level_by_level({name: each[first:end] for name, each in of_node.items()}, weights.get(int(trees[first]), {}))
        for first, end in zip(firsts, np.append(firsts[1:], len(trees)), strict=True)
    ]
    sizes = [len(part["feature"]) for part in parts]
    return Ensemble(
        features=width,
        average=given.get("aggregate_function") == "AVERAGE",
        base=np.float32(base[0] if len(base) else 0.0),
        start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
    )


def _weights(given: dict[str, Any]) -> dict[int, dict[int, float]]:
    """Return the weight of each leaf, by tree and node."""
    found: dict[int, dict[int, float]] = {}
    rows = (given[f"target_{name}"].tolist() for name in ("treeids", "nodeids", "weights"))
    for tree, node, weight in zip(*rows, strict=True):
        leaves = found.setdefault(tree, {})
        if node in leaves:
            raise ValueError(f"tree {tree}, node {node}: expected one weight")
        leaves[node] = weight
    return found


def _level_by_level(nodes: dict[str, NDArray[Any]], weights: dict[int, float]) -> dict[str, NDArray[Any]]:
    """Return one tree with its nodes in the order that `Ensemble` wants, its first node the root."""
    ids, leaf = nodes["nodeids"].tolist(), nodes["leaf"].tolist()
    place = {node: row for row, node in enumerate(ids)}
    yes, no = nodes["truenodeids"].tolist(), nodes["falsenodeids"].tolist()
    order = [0]
    for row in order:  # which grows as we go: that is what makes the levels
        if not leaf[row]:
            if yes[row] not in place or no[row] not in place:
                raise ValueError(f"node {ids[row]}: its children are not in its tree")
            order += [place[yes[row]], place[no[row]]]
        if len(order) > len(ids):
            raise ValueError("expected each node but the root to have one parent")
    if len(set(order)) != len(ids):
        raise ValueError("expected every node to be reached from the first one of its tree")
    try:
        value = [weights[ids[row]] if leaf[row] else threshold for row, threshold in enumerate(nodes["values"].tolist())]
    except KeyError as error:
        raise ValueError(f"leaf {error.args[0]} has no weight") from None
    rows = np.array(order)
    return {
        "feature": np.where(nodes["leaf"], -1, nodes["featureids"])[rows].astype(np.int16),
        "value": np.array(value, np.float32)[rows],
        "strict": nodes["strict"][rows],
        "missing": (nodes["missing"] == 1)[rows] & ~nodes["leaf"][rows],
    }
