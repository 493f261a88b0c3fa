"""Is a graph that is more than a forest refused by name, and a forest with harmless company read?"""

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.scoring import Unsupported, scorer
from models.scoring.graph import read
from tests.unit.models.growing import forest_node, grow, model, rows

GROWN = grow(11, trees=4, depth=3)


def attributes(**changed: Any) -> dict[str, Any]:
    """Return the attributes of a good forest but for these; None leaves one out."""
    return {name: value for name, value in (GROWN.attributes() | changed).items() if value is not None}


def op(kind: str, reads: list[str], writes: str, **given: Any) -> Any:
    return helper.make_node(kind, reads, [writes], **given)


def shape(*sizes: int) -> Any:
    return numpy_helper.from_array(np.array(sizes, np.int64), "shape")


@pytest.mark.parametrize(
    ("nodes", "initializer"),
    [
        ([op("Identity", ["x"], "a"), forest_node(attributes(), "a")], []),
        ([op("Cast", ["x"], "a", to=TensorProto.FLOAT), forest_node(attributes(), "a")], []),
        ([forest_node(attributes(), "x", "a"), op("Cast", ["a"], "y", to=TensorProto.FLOAT)], []),
        ([forest_node(attributes(), "x", "a"), op("Reshape", ["a", "shape"], "y")], [shape(-1)]),
        ([forest_node(attributes(), "x", "a"), op("Reshape", ["a", "shape"], "b"), op("Identity", ["b"], "y")], [shape(-1, 1)]),
    ],
)
def test_operators_that_change_no_number_are_passed_over(nodes, initializer) -> None:
    graph = model(nodes, initializer=initializer)
    files = {"model.onnx": graph, "forest.bin": read(graph).to_bytes()}
    x = rows(1, 50, GROWN)

    assert scorer("forest", files)(x).tolist() == scorer("onnxruntime", files)(x).tolist()


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([forest_node(attributes(), "x", "a"), op("Exp", ["a"], "y")], "Exp: not an operator that this backend runs"),
        ([op("Neg", ["x"], "a"), forest_node(attributes(), "a")], "Neg: not an operator"),
        ([op("Cast", ["x"], "a", to=TensorProto.INT32), forest_node(attributes(), "a")], "Cast: not an operator"),
        ([forest_node(attributes(), "x", "a"), op("Reshape", ["a", "shape"], "y")], "Reshape: not an operator"),
        ([forest_node(attributes(), "x", "a"), forest_node(attributes(), "a")], "TreeEnsembleRegressor: not an operator"),
        ([forest_node(attributes(), "x", "a"), op("Add", ["x", "a"], "y")], "Add: expected one chain of operators"),
        ([op("Scaler", ["x"], "y", domain="ai.onnx.ml", offset=[0.0], scale=[1.0])], "Scaler: not an operator"),
        ([op("Identity", ["x"], "y")], "expected a TreeEnsembleRegressor that leads to the output, found .*Identity"),
        ([forest_node(attributes(aggregate_function="MIN"))], "aggregate_function is MIN"),
        ([forest_node(attributes(post_transform="LOGISTIC"))], "post_transform is LOGISTIC"),
        ([forest_node(attributes(n_targets=2))], "n_targets is 2"),
        ([forest_node(attributes(base_values=[1.0, 2.0]))], "expected one target"),
        ([forest_node(attributes(target_ids=[1] * len(GROWN.attributes()["target_ids"])))], "expected one target"),
        ([forest_node(attributes(nodes_modes=["BRANCH_EQ"] * len(GROWN.attributes()["nodes_modes"])))], "mode BRANCH_EQ"),
        ([forest_node(attributes(nodes_values=[0.0]))], "its arrays of nodes differ in length"),
        ([forest_node(attributes(nodes_values=None))], "has no attribute nodes_values"),
        ([forest_node(attributes(nodes_featureids=[4] * len(GROWN.attributes()["nodes_modes"])))], "features from 0 to 3"),
        ([forest_node(attributes(nodes_truenodeids=[0] * len(GROWN.attributes()["nodes_modes"])))], "to have one parent"),
        ([forest_node(attributes(nodes_truenodeids=[99] * len(GROWN.attributes()["nodes_modes"])))], "not in its tree"),
        ([forest_node(attributes(nodes_values_as_tensor=numpy_helper.from_array(np.zeros(3))))], "attribute nodes_values_as_tensor"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_name(nodes, said) -> None:
    with pytest.raises(Unsupported, match=said):
        read(model(nodes, initializer=[shape(1, -1)] if nodes[-1].op_type == "Reshape" else []))


def test_trees_that_are_not_side_by_side_are_refused() -> None:
    given = GROWN.attributes()
    trees = given["nodes_treeids"]

    with pytest.raises(Unsupported, match="expected the nodes of a tree side by side"):
        read(model([forest_node(given | {"nodes_treeids": [*trees[:-1], trees[0]]})]))


def test_a_leaf_without_a_weight_or_with_two_is_refused() -> None:
    given = GROWN.attributes()
    none = {name: column[:-1] for name, column in given.items() if name.startswith("target_")}
    two = {name: [*column, column[-1]] for name, column in given.items() if name.startswith("target_")}

    for changed, said in ((none, r"leaf \d+ has no weight"), (two, r"node \d+: expected one weight")):
        with pytest.raises(Unsupported, match=said):
            read(model([forest_node(given | changed)]))


def test_an_input_of_another_type_or_of_no_width_is_refused() -> None:
    double = helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["n", 4])
    any_width = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "k"])

    for takes in (double, any_width):
        with pytest.raises(Unsupported, match=r"input x: expected float32 \(n, features\), found type"):
            read(model([forest_node(attributes())], takes=takes))


def test_bytes_that_are_no_graph_are_refused() -> None:
    with pytest.raises(Unsupported, match="expected an ONNX model, found bytes that are none"):
        read(b"\xff\xff\xff no protobuf")
