"""What a bundle's model.onnx may hold, decided before ONNX Runtime sees a byte of it: one list of operators, and limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lockgate.config.errors import InputError
from lockgate.model.onnx_file import Node, OnnxFile, Tensor, Value, read_onnx
from lockgate.model.onnx_message import OnnxFormatError, shown
from lockgate.model.onnx_rows import check_rows

HOW_TO_FIX = "take a model that `lockgate train` made, or whose ONNX form has only what docs/bundle.md lists"

STANDARD, CLASSICAL = "", "ai.onnx.ml"
# By domain, first and last, each tried with the ONNX Runtime that is locked.
OPSETS: Mapping[str, tuple[int, int]] = {STANDARD: (9, 28), CLASSICAL: (1, 5)}
IR_VERSIONS = (4, 14)
MAX_NODES = 2_000
MAX_TENSOR_ELEMENTS = 5_000_000
# ONNX Runtime takes a file with these bytes in this place for one of its own format, which is code for its own kernels.
OTHER_FORMAT, OTHER_FORMAT_PLACE = b"ORTM", 4
# A key of the metadata from which ONNX Runtime can take settings of the session.
SETTINGS_KEY = "ort_config"

# By domain: trees, linear models, scaling, imputing and encoding; arithmetic and comparisons element by element; sums over
# an axis; and what only arranges. None has a branch, a loop, a random number, a sequence, a regular expression or a file,
# and none makes a tensor of a size that a number in the file decides (Expand, Tile, Pad, Range, ConstantOfShape).
OPERATORS: Mapping[str, frozenset[str]] = {
    CLASSICAL: frozenset({
        "ArrayFeatureExtractor", "Binarizer", "Imputer", "LabelEncoder", "LinearClassifier", "LinearRegressor",
        "Normalizer", "OneHotEncoder", "Scaler", "TreeEnsembleClassifier", "TreeEnsembleRegressor",
    }),
    STANDARD: frozenset({
        "Abs", "Add", "And", "ArgMax", "ArgMin", "Cast", "Ceil", "Clip", "Concat", "Constant", "CumSum", "Div", "Equal",
        "Erf", "Exp", "Flatten", "Floor", "Gather", "GatherElements", "Gemm", "Greater", "GreaterOrEqual", "Identity",
        "IsInf", "IsNaN", "Less", "LessOrEqual", "Log", "LogSoftmax", "MatMul", "Max", "Mean", "Min", "Mul", "Neg", "Not",
        "Or", "Pow", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
        "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Round", "Sigmoid", "Sign", "Slice",
        "Softmax", "Softplus", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Transpose", "Unsqueeze", "Where", "Xor",
    }),
}  # fmt: skip


@dataclass(frozen=True)
class CheckedOnnx:
    """A model of which every part is one that a bundle's model may have: its bytes, what it takes and what it gives."""

    content: bytes = field(repr=False)
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def check_onnx(content: bytes, where: str) -> CheckedOnnx:
    """The model in `content`, checked; `where` names it in errors. Raises InputError, one line, where it is refused."""
    try:
        require_format(content)
        model = read_onnx(content)
        check_parts(model)
        check_rows(model)
    except OnnxFormatError as error:
        raise InputError(f"{where} {error}; {HOW_TO_FIX}") from None
    return CheckedOnnx(content, model.inputs, model.outputs)


def require_format(content: bytes) -> None:
    """Raises OnnxFormatError where ONNX Runtime would not take the file for ONNX."""
    if content[OTHER_FORMAT_PLACE : OTHER_FORMAT_PLACE + len(OTHER_FORMAT)] == OTHER_FORMAT:
        raise OnnxFormatError("begins as a file of ONNX Runtime's own format does")


def check_parts(model: OnnxFile) -> None:
    """Raises OnnxFormatError unless versions, sizes, operators and the order of the graph are what a bundle may have."""
    _check_versions(model)
    _check_sizes(model)
    _check_graph(model)


def _check_versions(model: OnnxFile) -> None:
    first, last = IR_VERSIONS
    if not first <= model.ir_version <= last:
        raise OnnxFormatError(f"has the IR version {model.ir_version}, not one of {first} to {last}")
    for domain, version in model.opsets.items():
        if domain not in OPSETS:
            raise OnnxFormatError(f"imports the domain `{shown(domain)}`, and only ai.onnx and ai.onnx.ml are known")
        first, last = OPSETS[domain]
        if not first <= version <= last:
            raise OnnxFormatError(f"has the opset {version} of {domain or 'ai.onnx'}, not one of {first} to {last}")
    if SETTINGS_KEY in model.metadata:
        raise OnnxFormatError(f"has settings for ONNX Runtime in its metadata (`{SETTINGS_KEY}`)")


def _check_sizes(model: OnnxFile) -> None:
    if len(model.nodes) > MAX_NODES:
        raise OnnxFormatError(f"has {len(model.nodes):,} operators, and the most is {MAX_NODES:,}")
    for tensor in _tensors(model):
        size = len(tensor.texts) if tensor.values is None else tensor.values.size
        if size > MAX_TENSOR_ELEMENTS:
            raise OnnxFormatError(f"has a constant of {size:,} elements, and the most is {MAX_TENSOR_ELEMENTS:,}")


def _tensors(model: OnnxFile) -> Iterator[Tensor]:
    yield from model.initializers.values()
    for node in model.nodes:
        yield from (one.tensor for one in node.attributes.values() if one.tensor)


def _check_graph(model: OnnxFile) -> None:
    """Each tensor is made once, before it is used; and each operator is on the list."""
    defined = set(model.initializers)
    for value in model.inputs:
        _define(value.name, defined)
    for node in model.nodes:
        _check_operator(node, model.opsets)
        if undefined := [name for name in node.inputs if name and name not in defined]:
            raise OnnxFormatError(f"uses `{shown(undefined[0])}` before anything makes it")
        for name in filter(None, node.outputs):
            _define(name, defined)
    if undefined := [value.name for value in model.outputs if value.name not in defined]:
        raise OnnxFormatError(f"gives `{shown(undefined[0])}`, which nothing makes")


def _define(name: str, defined: set[str]) -> None:
    if name in defined:
        raise OnnxFormatError(f"makes `{shown(name)}` twice")
    defined.add(name)


def _check_operator(node: Node, opsets: Mapping[str, int]) -> None:
    domain = node.domain or "ai.onnx"
    if node.operator not in OPERATORS.get(node.domain, ()):
        raise OnnxFormatError(
            f"has the operator `{shown(node.operator)}` of `{shown(domain)}`, which is not on the list"
        )
    if node.domain not in opsets:
        raise OnnxFormatError(f"has operators of {domain} and does not say which opset")
