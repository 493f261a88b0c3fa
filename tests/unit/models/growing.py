"""What forests do the tests of scoring run on? Ones of any shape, as ONNX, and a slow walk that is plainly right."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

EDGES = np.array(
    [0.0, -0.0, 1.0, -1.0, 2.5, 1e-45, -1e-45, 3e38, -3e38, np.inf, -np.inf, 1e-38, 0.1, np.nan], np.float32
)  # fmt: skip
"""Thresholds worth meeting exactly, from both sides: zeros of both signs, the least and the largest numbers, infinities, nan."""

FLOAT_IN = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
FLOAT_OUT = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)


@dataclass
class Node:
    """A leaf, if it has no children. strict: below the threshold, not at most. missing: nan goes to yes."""

    value: np.float32
    feature: int = 0
    strict: bool = False
    missing: bool = False
    children: tuple["Node", "Node"] | None = None


@dataclass
class Grown:
    """Trees with all that an ensemble adds to them."""

    trees: list[Node]
    features: int
    base: np.float32
    average: bool

    def walk(self, row: NDArray[np.float32]) -> np.float32:
        """Return the answer for one row, a float32 sum in the order of the trees."""
        total = np.float32(0.0)
        for node in self.trees:
            while node.children is not None:
                number = row[node.feature]
                yes = number < node.value if node.strict else number <= node.value
                node = node.children[0 if yes or (np.isnan(number) and node.missing) else 1]
            total += node.value
        return (total / np.float32(len(self.trees)) if self.average else total) + self.base

    def attributes(self) -> dict[str, Any]:
        """Return them as the attributes of a TreeEnsembleRegressor, nodes in depth-first order."""
        columns: dict[str, list[Any]] = {
            f"nodes_{name}": []
            for name in (
                "treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true"
            )
        } | {f"target_{name}": [] for name in ("treeids", "nodeids", "ids", "weights")}  # fmt: skip

        def add(tree: int, node: Node) -> int:
            place = columns["nodes_treeids"].count(tree)
            leaf = node.children is None
            columns["nodes_treeids"].append(tree)
            columns["nodes_nodeids"].append(place)
            columns["nodes_featureids"].append(node.feature)
            columns["nodes_modes"].append("LEAF" if leaf else "BRANCH_LT" if node.strict else "BRANCH_LEQ")
            columns["nodes_values"].append(0.0 if leaf else float(node.value))
            columns["nodes_missing_value_tracks_true"].append(int(node.missing))
            row = len(columns["nodes_treeids"]) - 1
            columns["nodes_truenodeids"].append(0)
            columns["nodes_falsenodeids"].append(0)
            if node.children is None:
                for name, value in (("treeids", tree), ("nodeids", place), ("ids", 0), ("weights", float(node.value))):
                    columns[f"target_{name}"].append(value)
            else:
                columns["nodes_truenodeids"][row] = add(tree, node.children[0])
                columns["nodes_falsenodeids"][row] = add(tree, node.children[1])
            return place

        for number, tree in enumerate(self.trees):
            add(number, tree)
        return columns | {
            "n_targets": 1, "post_transform": "NONE", "base_values": [float(self.base)],
            "aggregate_function": "AVERAGE" if self.average else "SUM",
        }  # fmt: skip

    def onnx(self) -> bytes:
        """Return them as ONNX."""
        return model([forest_node(self.attributes())], features=self.features)


def forest_node(attributes: dict[str, Any], reads: str = "x", writes: str = "y") -> Any:
    """Return the operator of these attributes."""
    return helper.make_node("TreeEnsembleRegressor", [reads], [writes], domain="ai.onnx.ml", **attributes)


def model(nodes: list[Any], *, features: int = 4, initializer: Any = (), takes: Any = None, gives: Any = None) -> bytes:
    """Return a graph from x to y, ready to run."""
    graph = helper.make_graph(
        nodes, "test",
        [takes or helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", features])],
        [gives or helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializer,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


def grow(seed: int, *, trees: int, depth: int, features: int = 4, lopsided: float = 0.0, average: bool = False) -> Grown:
    """Return random trees down to this depth. lopsided: chance that a branch ends early; depth 0 is a leaf alone."""
    random = np.random.default_rng(seed)

    def node(levels: int) -> Node:
        if levels == 0 or random.random() < lopsided:
            return Node(np.float32(random.normal(0, 100)))
        threshold = random.choice(EDGES) if random.random() < 0.3 else np.float32(random.normal())
        strict, missing = random.random() < 0.5, random.random() < 0.5
        return Node(threshold, int(random.integers(features)), strict, missing, (node(levels - 1), node(levels - 1)))

    return Grown([node(depth) for _ in range(trees)], features, np.float32(random.normal()), average)


def rows(seed: int, n: int, grown: Grown) -> NDArray[np.float32]:
    """Return rows that meet the thresholds exactly, one step beside them, far from them, and that lack values."""
    random = np.random.default_rng(seed)
    pool = np.concatenate([EDGES, np.nextafter(EDGES, np.inf), np.nextafter(EDGES, -np.inf), [-np.nan], _thresholds(grown)])
    x = random.normal(size=(n, grown.features)).astype(np.float32)
    special = random.random(x.shape) < 0.5
    x[special] = random.choice(pool.astype(np.float32), int(special.sum()))
    return x


def _thresholds(grown: Grown) -> NDArray[np.float32]:
    found: list[np.float32] = []
    left = list(grown.trees)
    while left and len(found) < 200:
        node = left.pop()
        if node.children is not None:
            found.append(node.value)
            left += node.children
    return np.array(found, np.float32)
