"""That model.onnx gives each row its probability from that row alone, whatever other rows are scored with it.

The gate scores thousands of rows at once and `/predict` one. A graph that can see how many rows there are, or mix them,
could score well in the one and otherwise in the other. So every operator is followed: its inputs are constants, or have
the rows as their first axis and sizes that are known on the others, and so has what it gives. What cannot be followed is
refused. It also bounds the memory, as no size depends on what a row holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import numpy as np

from lockgate.model.onnx_ensemble import LEAF_PREFIXES, read_ensemble
from lockgate.model.onnx_file import Node, OnnxFile, Tensor
from lockgate.model.onnx_message import OnnxFormatError, shown

# The sizes of a tensor's axes behind the first, which are the rows.
Columns: TypeAlias = tuple[int, ...]

Found = TypeVar("Found")

MAX_COLUMNS = 100_000  # of one tensor, a row


class _UnknownError(Exception):
    """The operator mixes rows, or has inputs for which that cannot be told."""


def check_rows(model: OnnxFile) -> None:
    """Raises OnnxFormatError unless every tensor has the rows as its first axis, and each row decides its own alone."""
    rows = followed(model)
    for value in model.outputs:
        if rows.get(value.name) not in ((), (1,)):
            raise OnnxFormatError(f"does not give one `{shown(value.name)}` a row")


def followed(model: OnnxFile) -> Mapping[str, Columns]:
    """The columns of every tensor that has rows. Raises OnnxFormatError where an operator may mix them."""
    graph = _Graph(model)
    for node in model.nodes:
        try:
            found = graph.columns_of(node)
        except OnnxFormatError:
            raise
        except (_UnknownError, ValueError, IndexError):
            raise OnnxFormatError(
                f"has an operator {node.operator} that may mix rows (it makes `{shown(next(iter(node.outputs), ''))}`)"
            ) from None
        for name, columns in zip(node.outputs, found, strict=False):
            if not 0 < math.prod(columns) <= MAX_COLUMNS:
                raise OnnxFormatError(f"makes a tensor of {math.prod(columns):,} columns, of 1 to {MAX_COLUMNS:,}")
            graph.rows[name] = columns
    return graph.rows


class _Graph:
    """What is known so far: `rows`, the columns of what has rows, and the constants."""

    def __init__(self, model: OnnxFile) -> None:
        self.rows: dict[str, Columns] = {}
        self.constants: dict[str, Tensor] = dict(model.initializers)
        for value in model.inputs:
            columns = (value.shape or ())[1:]
            if not value.shape or not all(isinstance(size, int) and size > 0 for size in columns):
                raise OnnxFormatError(f"does not say how many columns `{shown(value.name)}` has")
            self.rows[value.name] = tuple(int(size) for size in columns if isinstance(size, int))

    def columns_of(self, node: Node) -> Sequence[Columns]:
        """The columns of each output; none of a constant."""
        if node.operator == "Constant":
            self.constants[node.outputs[0]] = _require(
                node.attributes["value"].tensor if "value" in node.attributes else None
            )
            return []
        if not any(name in self.rows for name in node.inputs):
            raise _UnknownError
        return _require(_RULES.get(node.operator))(self, node)

    def row_input(self, node: Node, place: int = 0) -> Columns:
        """The columns of an input that has rows."""
        return _require(self.rows.get(node.inputs[place]))

    def constant_input(self, node: Node, place: int) -> Tensor:
        """An input that is a constant."""
        return _require(self.constants.get(node.inputs[place]))

    def numbers(self, node: Node, name: str, place: int) -> list[int]:
        """Whole numbers that older opsets have as an attribute and newer ones as an input."""
        if name in node.attributes:
            return [int(one) for one in node.attributes[name].integers]
        found = self.constant_input(node, place)
        if found.element_type not in ("int32", "int64") or len(found.dimensions) > 1:
            raise _UnknownError
        return [int(one) for one in np.asarray(found.values).reshape(-1)]


Rule: TypeAlias = Callable[[_Graph, Node], Sequence[Columns]]


def _require(found: Found | None) -> Found:
    if found is None:
        raise _UnknownError
    return found


def _integer(node: Node, name: str, default: int) -> int:
    found = node.attributes.get(name)
    return default if found is None else int(found.integers[0])


def _axis(axis: int, axes: int) -> int:
    """The axis counted from the first, which are the rows and must not be meant; of so many axes."""
    found = axis + axes if axis < 0 else axis
    if not 0 < found < axes:
        raise _UnknownError
    return found


def _element_by_element(graph: _Graph, node: Node) -> Sequence[Columns]:
    """Inputs are stretched to fit each other, from the last axis on: none of them along the rows."""
    shapes = [graph.rows[name] for name in node.inputs if name in graph.rows]
    if len({len(one) for one in shapes}) != 1:
        raise _UnknownError
    axes = len(shapes[0]) + 1
    for name in node.inputs:
        if not name or name in graph.rows:
            continue
        sizes = _require(graph.constants.get(name)).dimensions
        if len(sizes) == axes:
            if sizes[0] != 1:
                raise _UnknownError
            sizes = sizes[1:]
        if len(sizes) >= axes:
            raise _UnknownError
        shapes.append(sizes)
    return [np.broadcast_shapes(*shapes)]


def _along_an_axis(graph: _Graph, node: Node) -> Sequence[Columns]:
    columns = graph.row_input(node)
    axis = graph.numbers(node, "axis", 1)[0] if node.operator == "CumSum" else _integer(node, "axis", -1)
    _axis(axis, len(columns) + 1)
    return [columns]


def _without(columns: Columns, axes: Sequence[int], keep: bool) -> Columns:
    gone = {_axis(axis, len(columns) + 1) - 1 for axis in axes}
    if not gone:
        raise _UnknownError
    return tuple(1 if place in gone else size for place, size in enumerate(columns) if keep or place not in gone)


def _reduced(graph: _Graph, node: Node) -> Sequence[Columns]:
    axes = graph.numbers(node, "axes", 1)
    return [_without(graph.row_input(node), axes, bool(_integer(node, "keepdims", 1)))]


def _place_of_extreme(graph: _Graph, node: Node) -> Sequence[Columns]:
    return [_without(graph.row_input(node), [_integer(node, "axis", 0)], bool(_integer(node, "keepdims", 1)))]


def _squeezed(graph: _Graph, node: Node) -> Sequence[Columns]:
    columns, axes = graph.row_input(node), graph.numbers(node, "axes", 1)
    if any(columns[_axis(axis, len(columns) + 1) - 1] != 1 for axis in axes):
        raise _UnknownError
    return [_without(columns, axes, keep=False)]


def _unsqueezed(graph: _Graph, node: Node) -> Sequence[Columns]:
    columns, axes = graph.row_input(node), graph.numbers(node, "axes", 1)
    added = {_axis(axis, len(columns) + len(axes) + 1) - 1 for axis in axes}
    if len(added) != len(axes):
        raise _UnknownError
    rest = iter(columns)
    return [tuple(1 if place in added else next(rest) for place in range(len(columns) + len(axes)))]


def _flattened(graph: _Graph, node: Node) -> Sequence[Columns]:
    if _integer(node, "axis", 1) != 1:
        raise _UnknownError
    return [(math.prod(graph.row_input(node)),)]


def _reshaped(graph: _Graph, node: Node) -> Sequence[Columns]:
    """As many columns as before a row; -1 stands for what remains, 0 for what was there."""
    columns, wanted = graph.row_input(node), graph.numbers(node, "shape", 1)
    if _integer(node, "allowzero", 0) or wanted[0] not in (0, -1) or any(size < -1 for size in wanted):
        raise _UnknownError
    sizes = [columns[place] if size == 0 else size for place, size in enumerate(wanted[1:])]
    if wanted[0] == 0 and sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = math.prod(columns) // math.prod(size for size in sizes if size != -1)
    if math.prod(sizes) != math.prod(columns) or -1 in sizes:
        raise _UnknownError
    return [tuple(sizes)]


def _transposed(graph: _Graph, node: Node) -> Sequence[Columns]:
    columns, order = (
        graph.row_input(node),
        node.attributes["perm"].integers.tolist() if "perm" in node.attributes else [],
    )
    if order[:1] != [0] or sorted(order) != list(range(len(columns) + 1)):
        raise _UnknownError
    return [tuple(columns[place - 1] for place in order[1:])]


def _joined(graph: _Graph, node: Node) -> Sequence[Columns]:
    shapes = [graph.row_input(node, place) for place in range(len(node.inputs))]
    axis = _axis(_integer(node, "axis", 0), len(shapes[0]) + 1) - 1
    if len({(*one[:axis], *one[axis + 1 :], len(one)) for one in shapes}) != 1:
        raise _UnknownError
    return [(*shapes[0][:axis], sum(one[axis] for one in shapes), *shapes[0][axis + 1 :])]


def _split(graph: _Graph, node: Node) -> Sequence[Columns]:
    columns = graph.row_input(node)
    axis = _axis(_integer(node, "axis", 0), len(columns) + 1) - 1
    if "split" in node.attributes or len(node.inputs) > 1:
        sizes = graph.numbers(node, "split", 1)
    else:
        sizes = [columns[axis] // len(node.outputs)] * len(node.outputs)
    if sum(sizes) != columns[axis] or min(sizes) < 1 or len(sizes) != len(node.outputs):
        raise _UnknownError
    return [(*columns[:axis], size, *columns[axis + 1 :]) for size in sizes]


def _sliced(graph: _Graph, node: Node) -> Sequence[Columns]:
    found = list(graph.row_input(node))
    starts, ends, axes = (graph.numbers(node, name, place) for place, name in enumerate(("starts", "ends", "axes"), 1))
    steps = graph.numbers(node, "steps", 4) if len(node.inputs) > 4 else [1] * len(axes)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = _axis(axis, len(found) + 1) - 1
        found[place] = len(range(*slice(start, end, step).indices(found[place])))
    return [tuple(found)]


def _gathered(graph: _Graph, node: Node) -> Sequence[Columns]:
    """Columns by constant places, or an entry of a constant by each row's own place."""
    axis = _integer(node, "axis", 0)
    if node.inputs[0] in graph.constants:
        sizes = graph.constants[node.inputs[0]].dimensions
        if axis not in (0, -len(sizes)):
            raise _UnknownError
        return [(*graph.row_input(node, 1), *sizes[1:])]
    columns, places = graph.row_input(node), graph.constant_input(node, 1).dimensions
    place = _axis(axis, len(columns) + 1) - 1
    return [(*columns[:place], *places, *columns[place + 1 :])]


def _gathered_elements(graph: _Graph, node: Node) -> Sequence[Columns]:
    columns, places = graph.row_input(node), graph.row_input(node, 1)
    _axis(_integer(node, "axis", 0), len(columns) + 1)
    if len(columns) != len(places):
        raise _UnknownError
    return [places]


def _multiplied(graph: _Graph, node: Node) -> Sequence[Columns]:
    (width,), sizes = graph.row_input(node), graph.constant_input(node, 1).dimensions
    if len(sizes) not in (1, 2) or sizes[0] != width:
        raise _UnknownError
    return [sizes[1:]]


def _gemm(graph: _Graph, node: Node) -> Sequence[Columns]:
    (width,), sizes = graph.row_input(node), graph.constant_input(node, 1).dimensions
    inner, outer = reversed(sizes) if _integer(node, "transB", 0) else sizes
    added = graph.constant_input(node, 2).dimensions if len(node.inputs) > 2 else ()
    if _integer(node, "transA", 0) or inner != width or (len(added) == 2 and added[0] != 1) or len(added) > 2:
        raise _UnknownError
    return [(outer,)]


def _of_a_matrix(graph: _Graph, node: Node) -> Sequence[Columns]:
    (width,) = graph.row_input(node)
    return [(width,)]


def _features(graph: _Graph, node: Node) -> Sequence[Columns]:
    (*columns, _) = graph.row_input(node)
    return [(*columns, math.prod(graph.constant_input(node, 1).dimensions))]


def _one_hot(graph: _Graph, node: Node) -> Sequence[Columns]:
    return [(*graph.row_input(node), _labels(node, "cats_int64s", "cats_strings"))]


def _labels(node: Node, *names: str) -> int:
    found = [node.attributes[name] for name in names if name in node.attributes]
    if len(found) != 1:
        raise _UnknownError
    return len(found[0].integers) + len(found[0].texts)


def _trees(graph: _Graph, node: Node) -> Sequence[Columns]:
    (width,) = graph.row_input(node)
    ensemble = read_ensemble(node)
    if ensemble.features.min() < 0 or ensemble.features.max() >= width:
        raise OnnxFormatError("has trees that ask for a feature that the model does not have")
    scores = (ensemble.output_count,)
    return [scores] if LEAF_PREFIXES[node.operator] == "target" else [(), scores]


def _linear(graph: _Graph, node: Node) -> Sequence[Columns]:
    (width,) = graph.row_input(node)
    if node.operator == "LinearRegressor":
        count, given = _integer(node, "targets", 1), [_integer(node, "targets", 1)]
    else:
        count = _labels(node, "classlabels_ints", "classlabels_strings")
        given = [count, 1] if count == 2 else [count]
    coefficients = len(node.attributes["coefficients"].floats) if "coefficients" in node.attributes else 0
    if count < 1 or coefficients not in [width * one for one in given]:
        raise _UnknownError
    return [(count,)] if node.operator == "LinearRegressor" else [(), (count,)]


_ELEMENT_BY_ELEMENT = """
Abs Add And Cast Ceil Clip Div Equal Erf Exp Floor Greater GreaterOrEqual Identity IsInf IsNaN LabelEncoder Less LessOrEqual
Log Max Mean Min Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign Softplus Sqrt Sub Sum Tanh Where Xor
"""
_REDUCED = "ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare"
_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_ELEMENT_BY_ELEMENT.split(), _element_by_element),
    **dict.fromkeys(_REDUCED.split(), _reduced),
    "ArgMax": _place_of_extreme,
    "ArgMin": _place_of_extreme,
    "ArrayFeatureExtractor": _features,
    "Binarizer": _of_a_matrix,
    "Concat": _joined,
    "CumSum": _along_an_axis,
    "Flatten": _flattened,
    "Gather": _gathered,
    "GatherElements": _gathered_elements,
    "Gemm": _gemm,
    "Imputer": _of_a_matrix,
    "LinearClassifier": _linear,
    "LinearRegressor": _linear,
    "LogSoftmax": _along_an_axis,
    "MatMul": _multiplied,
    "Normalizer": _of_a_matrix,
    "OneHotEncoder": _one_hot,
    "Reshape": _reshaped,
    "Scaler": _of_a_matrix,
    "Slice": _sliced,
    "Softmax": _along_an_axis,
    "Split": _split,
    "Squeeze": _squeezed,
    "Transpose": _transposed,
    "TreeEnsembleClassifier": _trees,
    "TreeEnsembleRegressor": _trees,
    "Unsqueeze": _unsqueezed,
}
