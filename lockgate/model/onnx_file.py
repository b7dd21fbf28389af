"""An ONNX file as values, by a reader of our own: the image has no package that could, and a stranger's file wants strictness.

Its messages are read by `onnx_message`; here they become operators, constants, inputs and outputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lockgate.model.onnx_message import Message, OnnxFormatError, Span, model_message, shown

Entry = TypeVar("Entry")

MAX_DIMENSIONS = 8
# TensorProto.DataType and AttributeProto.AttributeType.
_FLOAT, _INT32, _INT64, _STRING, _BOOL, _DOUBLE = 1, 6, 7, 8, 9, 11
ELEMENT_TYPES: Mapping[int, str] = {
    _FLOAT: "float",
    _INT32: "int32",
    _INT64: "int64",
    _STRING: "string",
    _BOOL: "bool",
    _DOUBLE: "double",
}
_RAW_TYPES = {_FLOAT: "<f4", _INT32: "<i4", _INT64: "<i8", _BOOL: "|u1", _DOUBLE: "<f8"}
_DATA_FIELDS = {
    _FLOAT: "float_data",
    _INT32: "int32_data",
    _INT64: "int64_data",
    _STRING: "string_data",
    _BOOL: "int32_data",
    _DOUBLE: "double_data",
}
_ATTRIBUTE_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}


@dataclass(frozen=True)
class Tensor:
    """A constant. `values` has the shape `dimensions`, and is None for text, which `texts` holds; it stands at `span`."""

    name: str
    element_type: str
    dimensions: tuple[int, ...]
    values: NDArray[np.generic] | None = field(repr=False)
    texts: tuple[bytes, ...] = field(repr=False)
    span: Span = field(repr=False)


@dataclass(frozen=True)
class Attribute:
    """An attribute of a node: one of these holds its value, the others are empty."""

    name: str
    floats: NDArray[np.float32] = field(repr=False)
    integers: NDArray[np.int64] = field(repr=False)
    texts: tuple[bytes, ...] = field(repr=False)
    tensor: Tensor | None
    is_list: bool


@dataclass(frozen=True)
class Node:
    """An operator, what it takes and gives by name (an empty one is left out), and its attributes by name.

    `span` says where it stands in the file.
    """

    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    span: Span = field(repr=False)


@dataclass(frozen=True)
class Value:
    """An input, output or inner tensor: its shape has a number, a name or None a dimension, and is None if unknown.

    Of what is no tensor, which no bundle's model gives, the element type is empty.
    """

    name: str
    element_type: str
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class OnnxFile:
    """All that a file says: `opsets` by domain, the graph in its order, and the metadata, which decide nothing."""

    ir_version: int
    opsets: Mapping[str, int]
    nodes: tuple[Node, ...]
    initializers: Mapping[str, Tensor]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    inner: tuple[Value, ...]
    metadata: Mapping[str, str]


def read_onnx(content: bytes, *, any_outputs: bool = False) -> OnnxFile:
    """The model in `content`; with `any_outputs` it may give sequences and maps too.

    Raises OnnxFormatError where a protobuf parser would fail or be lenient, and where the file has more than the tables.
    """
    model = model_message(content)
    graph = model.child("graph")
    if graph is None:
        raise OnnxFormatError("has no graph")
    # Some converters import a domain once more for each of their parts.
    imports = [(_domain(one.text("domain")), one.integer("version")) for one in model.children("opset_import")]
    initializers = [_tensor(one) for one in graph.children("initializer")]
    metadata = [(one.text("key"), one.text("value")) for one in model.children("metadata_props")]
    return OnnxFile(
        ir_version=model.integer("ir_version"),
        opsets=_by_name(list(dict.fromkeys(imports)), "imports the domain"),
        nodes=tuple(_node(one) for one in graph.children("node")),
        initializers=_by_name([(one.name, one) for one in initializers], "has the initializer"),
        inputs=tuple(_value(one) for one in graph.children("input")),
        outputs=tuple(_value(one, any_type=any_outputs) for one in graph.children("output")),
        inner=tuple(_value(one, any_type=any_outputs) for one in graph.children("value_info")),
        metadata=_by_name(metadata, "has the metadata"),
    )


def _domain(name: str) -> str:
    """ONNX Runtime takes the two spellings of the standard operators' domain as one."""
    return "" if name == "ai.onnx" else name


def _by_name(pairs: Sequence[tuple[str, Entry]], what: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for name, entry in pairs:
        if name in found:
            raise OnnxFormatError(f"{what} `{shown(name)}` twice")
        found[name] = entry
    return found


def _value(message: Message, *, any_type: bool = False) -> Value:
    name = message.text("name")
    kind = message.child("type")
    for field_name, what in (("sequence_type", "a sequence"), ("map_type", "a map")):
        if kind and kind.has(field_name):
            if any_type:
                return Value(name, "", None)
            raise OnnxFormatError(f"has {what}")
    tensor = kind.child("tensor_type") if kind else None
    if tensor is None:
        raise OnnxFormatError(f"does not say that `{shown(name)}` is a tensor")
    shape = tensor.child("shape")
    dimensions = None if shape is None else tuple(_dimension(one) for one in shape.children("dim"))
    if dimensions and len(dimensions) > MAX_DIMENSIONS:
        raise OnnxFormatError(f"gives `{shown(name)}` more than {MAX_DIMENSIONS} dimensions")
    return Value(name, _element_type(tensor.integer("elem_type"), name), dimensions)


def _dimension(message: Message) -> int | str | None:
    if message.has("dim_value") and message.has("dim_param"):
        raise OnnxFormatError("has a dimension with both a number and a name")
    if message.has("dim_value"):
        return message.integer("dim_value")
    return message.text("dim_param") or None


def _element_type(number: int, name: str) -> str:
    if number not in ELEMENT_TYPES:
        raise OnnxFormatError(
            f"gives `{shown(name)}` elements of the type {number}; known: {', '.join(ELEMENT_TYPES.values())}"
        )
    return ELEMENT_TYPES[number]


def _node(message: Message) -> Node:
    attributes = [_attribute(one) for one in message.children("attribute")]
    operator = message.text("op_type")
    return Node(
        operator=operator,
        domain=_domain(message.text("domain")),
        inputs=message.texts("input"),
        outputs=message.texts("output"),
        attributes=_by_name([(one.name, one) for one in attributes], f"gives {shown(operator)} the attribute"),
        span=message.span,
    )


def _attribute(message: Message) -> Attribute:
    name, kind = message.text("name"), message.integer("type")
    if kind not in _ATTRIBUTE_FIELDS:
        raise OnnxFormatError(f"has the attribute `{shown(name)}` of the type {kind}, which no operator here takes")
    used = _ATTRIBUTE_FIELDS[kind]
    if any(message.has(other) for other in _ATTRIBUTE_FIELDS.values() if other != used):
        raise OnnxFormatError(f"has the attribute `{shown(name)}` with a value of another type than it says")
    tensor = message.child("t")
    if (used == "t") != (tensor is not None):
        raise OnnxFormatError(f"has the attribute `{shown(name)}` without its tensor")
    # A number or a text that is left out is 0 or empty.
    return Attribute(
        name=name,
        floats=np.array([message.float("f")], "<f4") if used == "f" else message.floats("floats"),
        integers=np.array([message.integer("i")], "<i8") if used == "i" else message.integers("ints"),
        texts=(message.blob("s"),) if used == "s" else message.blobs("strings"),
        tensor=None if tensor is None else _tensor(tensor),
        is_list=used.endswith("s") and used != "s",
    )


def _tensor(message: Message) -> Tensor:
    name = message.text("name")
    kind = message.integer("data_type")
    element_type = _element_type(kind, name)
    dimensions = tuple(message.integers("dims").tolist())
    if len(dimensions) > MAX_DIMENSIONS or any(size < 0 for size in dimensions):
        raise OnnxFormatError(
            f"gives the constant `{shown(name)}` more than {MAX_DIMENSIONS} dimensions or a negative one"
        )
    size = math.prod(dimensions)
    allowed = {_DATA_FIELDS[kind], *(["raw_data"] if kind in _RAW_TYPES else [])}
    given = [one for one in {"raw_data", *_DATA_FIELDS.values()} if message.has(one)]
    if len(given) > 1 or not allowed.issuperset(given):
        raise OnnxFormatError(f"has the constant `{shown(name)}` with data of another type than it says, or data twice")
    texts = message.blobs("string_data")
    values = None if kind == _STRING else _numbers(message, kind, name)
    if size != (len(texts) if values is None else len(values)):
        raise OnnxFormatError(f"has the constant `{shown(name)}` whose data are not as many as its dimensions say")
    shaped = None if values is None else values.reshape(dimensions)
    return Tensor(name, element_type, dimensions, shaped, texts, message.span)


def _numbers(message: Message, kind: int, name: str) -> NDArray[np.generic]:
    raw = message.blob("raw_data")
    if message.has("raw_data"):
        stored = np.dtype(_RAW_TYPES[kind])
        if len(raw) % stored.itemsize:
            raise OnnxFormatError(f"has the constant `{shown(name)}` with a part of a number")
        found: NDArray[np.generic] = np.frombuffer(raw, stored)
    elif kind == _FLOAT:
        found = message.floats("float_data")
    elif kind == _DOUBLE:
        found = message.doubles("double_data")
    else:
        found = message.integers(_DATA_FIELDS[kind])
    if kind in (_INT32, _BOOL):
        lowest, highest = (0, 1) if kind == _BOOL else (-(2**31), 2**31 - 1)
        if len(found) and not (lowest <= found.min() and found.max() <= highest):
            raise OnnxFormatError(f"has the constant `{shown(name)}` with a number that its type cannot hold")
    return found.astype({_INT32: "<i4", _BOOL: "?"}.get(kind, found.dtype), copy=False)
