"""An ONNX file as values, by a reader of our own: the image has no package that could, and a stranger's file wants strictness.

ONNX is protobuf (https://protobuf.dev/programming-guides/encoding, onnx/onnx-ml.proto). A protobuf parser is lenient: it
merges a field that stands twice, skips what it does not know and cuts integers down, so two parsers may see two models in
one file. Here each field is in a table. What is in no table is refused, and with it all that a bundle's model never has:
functions, subgraphs, sparse and external tensors, training graphs, types that are no tensors. So a file that is read is
read as ONNX Runtime reads it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Table: TypeAlias = str  # the name of a message's table
Span: TypeAlias = tuple[int, int]
Entry = TypeVar("Entry")

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10  # bytes
MAX_DIMENSIONS = 8
# A part takes far more memory than the two bytes of the file that can make one.
MAX_PARTS = 100_000  # operators, attributes, constants and what they consist of
MAX_ENTRIES = 3_000_000  # of a list of texts
MAX_PIECES = 1_000  # that a list of numbers is scattered over


class OnnxFormatError(ValueError):
    """What is wrong with the file, as the rest of a sentence about it."""


@dataclass(frozen=True)
class _Field:
    name: str
    kind: str  # integer, float, double, text, bytes, or the table of a message
    repeated: bool = False


# onnx/onnx-ml.proto, by field number. What a table leaves out is refused wherever it stands.
_TABLES: Mapping[Table, Mapping[int, _Field]] = {
    "model": {
        1: _Field("ir_version", "integer"),
        2: _Field("producer_name", "text"),
        3: _Field("producer_version", "text"),
        4: _Field("domain", "text"),
        5: _Field("model_version", "integer"),
        6: _Field("doc_string", "text"),
        7: _Field("graph", "graph"),
        8: _Field("opset_import", "opset", repeated=True),
        14: _Field("metadata_props", "entry", repeated=True),
    },
    "opset": {1: _Field("domain", "text"), 2: _Field("version", "integer")},
    "entry": {1: _Field("key", "text"), 2: _Field("value", "text")},
    "graph": {
        1: _Field("node", "node", repeated=True),
        2: _Field("name", "text"),
        5: _Field("initializer", "tensor", repeated=True),
        10: _Field("doc_string", "text"),
        11: _Field("input", "value", repeated=True),
        12: _Field("output", "value", repeated=True),
        13: _Field("value_info", "value", repeated=True),
    },
    "node": {
        1: _Field("input", "text", repeated=True),
        2: _Field("output", "text", repeated=True),
        3: _Field("name", "text"),
        4: _Field("op_type", "text"),
        5: _Field("attribute", "attribute", repeated=True),
        6: _Field("doc_string", "text"),
        7: _Field("domain", "text"),
    },
    "attribute": {
        1: _Field("name", "text"),
        2: _Field("f", "float"),
        3: _Field("i", "integer"),
        4: _Field("s", "bytes"),
        5: _Field("t", "tensor"),
        7: _Field("floats", "float", repeated=True),
        8: _Field("ints", "integer", repeated=True),
        9: _Field("strings", "bytes", repeated=True),
        13: _Field("doc_string", "text"),
        20: _Field("type", "integer"),
    },
    "tensor": {
        1: _Field("dims", "integer", repeated=True),
        2: _Field("data_type", "integer"),
        4: _Field("float_data", "float", repeated=True),
        5: _Field("int32_data", "integer", repeated=True),
        6: _Field("string_data", "bytes", repeated=True),
        7: _Field("int64_data", "integer", repeated=True),
        8: _Field("name", "text"),
        9: _Field("raw_data", "bytes"),
        10: _Field("double_data", "double", repeated=True),
        12: _Field("doc_string", "text"),
    },
    "value": {1: _Field("name", "text"), 2: _Field("type", "type"), 3: _Field("doc_string", "text")},
    "type": {
        1: _Field("tensor_type", "tensor type"),
        4: _Field("sequence_type", "bytes"),
        5: _Field("map_type", "bytes"),
        6: _Field("denotation", "text"),
    },
    "tensor type": {1: _Field("elem_type", "integer"), 2: _Field("shape", "shape")},
    "shape": {1: _Field("dim", "dimension", repeated=True)},
    "dimension": {1: _Field("dim_value", "integer"), 2: _Field("dim_param", "text"), 3: _Field("denotation", "text")},
}

# What the format has and no table names, in words.
_REFUSED: Mapping[tuple[Table, int], str] = {
    ("model", 20): "a training graph",
    ("model", 25): "functions",
    ("model", 26): "configurations of devices",
    ("graph", 14): "quantization annotations",
    ("graph", 15): "sparse initializers",
    ("node", 8): "an overload of a function",
    ("node", 10): "configurations of devices",
    ("attribute", 6): "a subgraph",
    ("attribute", 10): "a list of tensors",
    ("attribute", 11): "subgraphs",
    ("attribute", 14): "a type as an attribute",
    ("attribute", 15): "types as an attribute",
    ("attribute", 21): "a reference to a function's attribute",
    ("attribute", 22): "a sparse tensor",
    ("attribute", 23): "sparse tensors",
    ("tensor", 3): "a tensor in segments",
    ("tensor", 13): "external data, read from another file",
    ("tensor", 14): "a location of external data",
    ("type", 7): "an opaque type",
    ("type", 8): "a sparse tensor",
    ("type", 9): "an optional type",
}

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
    model = _Message(_Source(content), (0, len(content)), "model")
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


def _value(message: _Message, *, any_type: bool = False) -> Value:
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


def _dimension(message: _Message) -> int | str | None:
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


def _node(message: _Message) -> Node:
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


def _attribute(message: _Message) -> Attribute:
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


def _tensor(message: _Message) -> Tensor:
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


def _numbers(message: _Message, kind: int, name: str) -> NDArray[np.generic]:
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


@dataclass
class _Source:
    """A file, and how many of its parts were read."""

    content: bytes
    parts: int = 0

    def count_part(self) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise OnnxFormatError(f"has more than {MAX_PARTS:,} operators, attributes, constants and parts of them")


class _Message:
    """One message: where each of its fields' values stand, in the order of the file."""

    def __init__(self, source: _Source, span: Span, table: Table) -> None:
        source.count_part()
        self.span = span
        self._source = source
        self._content = source.content
        self._tables = {one.name: one.kind for one in _TABLES[table].values() if one.kind in _TABLES}
        # Of numbers the values, of everything else where it begins and ends.
        self._numbers: dict[str, list[NDArray[np.generic]]] = {}
        self._spans: dict[str, list[Span]] = {}
        self._scan(table, *span)

    def has(self, name: str) -> bool:
        """Whether the field stands in the message, also as a list of nothing."""
        return name in self._numbers or name in self._spans

    def integer(self, name: str) -> int:
        """The number, or 0."""
        return int(self._numbers[name][0][0]) if name in self._numbers else 0

    def float(self, name: str) -> float:
        """The number, or 0."""
        return float(self._numbers[name][0][0]) if name in self._numbers else 0.0

    def integers(self, name: str) -> NDArray[np.int64]:
        """The numbers of a list."""
        return np.concatenate([np.empty(0, "<i8"), *self._numbers.get(name, [])])

    def floats(self, name: str) -> NDArray[np.float32]:
        """The numbers of a list."""
        return np.concatenate([np.empty(0, "<f4"), *self._numbers.get(name, [])])

    def doubles(self, name: str) -> NDArray[np.float64]:
        """The numbers of a list."""
        return np.concatenate([np.empty(0, "<f8"), *self._numbers.get(name, [])])

    def blobs(self, name: str) -> tuple[bytes, ...]:
        """The byte strings of a list."""
        return tuple([self._content[start:end] for start, end in self._spans.get(name, ())])

    def blob(self, name: str) -> bytes:
        """The byte string, or nothing."""
        return (*self.blobs(name), b"")[0]

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a list."""
        try:
            return tuple([found.decode() for found in self.blobs(name)])
        except UnicodeDecodeError:
            raise OnnxFormatError(f"has a `{name}` that is no UTF-8") from None

    def text(self, name: str) -> str:
        """The text, or an empty one."""
        return (*self.texts(name), "")[0]

    def children(self, name: str) -> list[_Message]:
        """The messages of a list."""
        table = self._tables[name]
        return [_Message(self._source, span, table) for span in self._spans.get(name, ())]

    def child(self, name: str) -> _Message | None:
        """The message, or None."""
        return next(iter(self.children(name)), None)

    def _scan(self, table: Table, position: int, end: int) -> None:
        fields = _TABLES[table]
        while position < end:
            start = position
            tag, position = read_varint(self._content, position, end)
            number, wire_type = tag >> 3, tag & 7
            one = fields.get(number)
            if one is None:
                raise OnnxFormatError(f"has {_REFUSED.get((table, number), f'a field {number}, which no {table} has')}")
            if not one.repeated and self.has(one.name):
                raise OnnxFormatError(f"has the {one.name} of the {table} twice")
            stored = _NUMBERS.get(one.kind)
            if stored and wire_type == stored.wire_type:
                position = self._one_by_one(one, stored, start, position, end)
            elif wire_type == _LENGTH and (one.repeated or not stored):
                size, position = read_varint(self._content, position, end)
                if size > end - position:
                    raise OnnxFormatError(f"ends within the {one.name} of the {table}")
                if stored:
                    self._add(one, stored.packed(self._content[position : position + size]))
                else:
                    spans = self._spans.setdefault(one.name, [])
                    spans.append((position, position + size))
                    if len(spans) > MAX_ENTRIES:
                        raise OnnxFormatError(f"has more than {MAX_ENTRIES:,} {one.name} in one {table}")
                position += size
            else:
                raise OnnxFormatError(f"has the {one.name} of the {table} in a form of another type")

    def _one_by_one(self, one: _Field, stored: _Stored, start: int, position: int, end: int) -> int:
        """A number with a tag of its own, or, of a list, all numbers that follow each other so; where the next field begins."""
        found = _run(self._content[start:position], stored, one.repeated).match(self._content, start, end)
        if not found:
            raise OnnxFormatError(f"ends within the {one.name}, or has it in another form than the shortest")
        self._add(one, stored.tagged(found.group(), position - start))
        return found.end()

    def _add(self, one: _Field, found: NDArray[np.generic]) -> None:
        pieces = self._numbers.setdefault(one.name, [])
        pieces.append(found)
        if len(pieces) > MAX_PIECES:
            raise OnnxFormatError(f"has the {one.name} of one list in more than {MAX_PIECES:,} pieces")


@dataclass(frozen=True)
class _Stored:
    """How numbers of a kind are stored: a varint, or so many bytes."""

    wire_type: int
    dtype: str
    pattern: bytes

    def packed(self, content: bytes) -> NDArray[np.generic]:
        """Numbers that stand one after the other."""
        if self.wire_type == _VARINT:
            return _varints(content)
        dtype = np.dtype(self.dtype)
        if len(content) % dtype.itemsize:
            raise OnnxFormatError("has a list that ends within a number")
        return np.frombuffer(content, dtype)

    def tagged(self, content: bytes, tag: int) -> NDArray[np.generic]:
        """Numbers that stand one after the other, each behind a tag of `tag` bytes, as the pattern found them."""
        if self.wire_type == _VARINT:
            return _varints(content)[1::2]
        width = np.dtype(self.dtype).itemsize
        return np.frombuffer(content, np.uint8).reshape(-1, tag + width)[:, tag:].copy().view(self.dtype)[:, 0]


_NUMBERS: Mapping[str, _Stored] = {
    "integer": _Stored(_VARINT, "<i8", rb"[\x80-\xff]{0,9}[\x00-\x7f]"),
    "float": _Stored(_FIXED32, "<f4", rb".{4}"),
    "double": _Stored(_FIXED64, "<f8", rb".{8}"),
}


@cache
def _run(tag: bytes, stored: _Stored, repeated: bool) -> re.Pattern[bytes]:
    """What matches a number behind its tag, or as many as follow each other."""
    return re.compile(rb"(?:%s%s)%s" % (re.escape(tag), stored.pattern, b"++" if repeated else b""), re.DOTALL)


def read_varint(content: bytes, position: int, end: int) -> tuple[int, int]:
    """The number at `position`, and where it ends."""
    value = shift = 0
    while position < end:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if (byte == 0 and shift > 7) or value >= 2**64:
                break
            return value, position
        if shift == 7 * _MAX_VARINT:
            break
    raise OnnxFormatError("has a number that ends too late, or in another form than the shortest")


def _varints(content: bytes) -> NDArray[np.int64]:
    """The numbers that stand one after the other."""
    found = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(found < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    sizes = ends - starts + 1
    if len(found) and (not len(ends) or ends[-1] != len(found) - 1):
        raise OnnxFormatError("has a list that ends within a number")
    longest = int(sizes.max(initial=0))
    last = found[ends]
    if longest > _MAX_VARINT or (last[sizes > 1] == 0).any() or (last[sizes == _MAX_VARINT] > 1).any():
        raise OnnxFormatError("has a number that ends too late, or in another form than the shortest")
    values = np.zeros(len(ends), np.uint64)
    for place in range(longest):
        there = sizes > place
        values[there] |= (found[starts[there] + place] & 0x7F).astype(np.uint64) << np.uint64(7 * place)
    return values.view(np.int64)


def shown(text: str) -> str:
    """A stranger's name as it can stand in an error's line."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:60])
