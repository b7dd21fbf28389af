"""ONNX files, written without the package `onnx`: equal models give equal bytes, wherever and whenever they are written.

So a model can be converted anew where it is served, and compared with the model.onnx beside it byte for byte. The bytes
are those that `onnx` writes for the same model; field numbers are those of onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cache, lru_cache

import numpy as np

from lockgate.model.onnx_message import read_varint
from lockgate.model.onnx_runtime import INPUT, OUTPUT

OPSET, IR_VERSION = 18, 10
PROBABILITY: Mapping[str, int | None] = {OUTPUT: 1}
FLOAT, INT64, STRING, DOUBLE = 1, 7, 8, 11  # TensorProto.DataType
_INT, _STRING, _TENSOR, _FLOATS, _INTS, _STRINGS = 2, 3, 4, 6, 7, 8  # AttributeProto.AttributeType
_VARINT, _LENGTH_DELIMITED, _FIXED32 = 0, 2, 5  # wire types


def node(
    operator: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Iterable[bytes] = (), domain: str = ""
) -> bytes:
    """A NodeProto; `attributes` come from the functions below."""
    return (
        _texts(1, inputs)
        + _texts(2, outputs)
        + _text(4, operator)
        + b"".join(_message(5, attribute) for attribute in attributes)
        + (_text(7, domain) if domain else b"")
    )


def integer(name: str, value: int) -> bytes:
    """An attribute that is a whole number."""
    return _text(1, name) + _number(3, value) + _number(20, _INT)


def integers(name: str, values: Iterable[int]) -> bytes:
    """An attribute that is a list of whole numbers."""
    tag = _tag(8, _VARINT)
    return _text(1, name) + b"".join(tag + _varint(value) for value in values) + _number(20, _INTS)


def floats(name: str, values: Sequence[float]) -> bytes:
    """An attribute that is a list of numbers, rounded to float32."""
    packed = np.empty(len(values), dtype=[("tag", "u1"), ("value", "<f4")])
    packed["tag"] = _tag(7, _FIXED32)[0]
    packed["value"] = values
    return _text(1, name) + packed.tobytes() + _number(20, _FLOATS)


def texts(name: str, values: Iterable[str]) -> bytes:
    """An attribute that is a list of texts."""
    return _text(1, name) + _texts(9, values) + _number(20, _STRINGS)


def tensor_attribute(name: str, content: bytes) -> bytes:
    """An attribute that is a tensor."""
    return _text(1, name) + _message(5, content) + _number(20, _TENSOR)


def doubles(name: str, shape: Sequence[int], values: Sequence[float]) -> bytes:
    """A TensorProto of float64."""
    packed = np.asarray(values, dtype="<f8").tobytes()
    return _sizes(shape) + _number(2, DOUBLE) + _text(8, name) + _message(10, packed)


def indices(name: str, values: Sequence[int]) -> bytes:
    """A TensorProto of int64, of one dimension."""
    packed = b"".join(map(_varint, values))
    return _sizes([len(values)]) + _number(2, INT64) + _message(7, packed) + _text(8, name)


def numbers(name: str, values: Sequence[float]) -> bytes:
    """A TensorProto of float32, of one dimension."""
    packed = np.asarray(values, dtype="<f4").tobytes()
    return _sizes([len(values)]) + _number(2, FLOAT) + _message(4, packed) + _text(8, name)


def words(name: str, values: Sequence[str]) -> bytes:
    """A TensorProto of texts, of one dimension."""
    return _sizes([len(values)]) + _number(2, STRING) + _texts(6, values) + _text(8, name)


def renamed_node(content: bytes, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """A NodeProto, which was read before, with other names of what it takes and gives."""
    return _texts(1, inputs) + _texts(2, outputs) + _without(content, {1, 2})


def renamed_tensor(content: bytes, name: str) -> bytes:
    """A TensorProto, which was read before, with another name."""
    return _text(8, name) + _without(content, {8})


def model(
    nodes: Iterable[bytes],
    features: int,
    initializers: Iterable[bytes] = (),
    domains: Mapping[str, int] | None = None,
    outputs: Mapping[str, int | None] = PROBABILITY,
) -> bytes:
    """A ModelProto from float32 `features` (rows, features) to float32 `outputs`, of so many columns or any number of them.

    `domains` are the versions of operator sets, by their domain; of ONNX's own, "", it is `OPSET` where nothing is said.
    """
    graph = (
        b"".join(_message(1, one) for one in nodes)
        + _text(2, "lockgate")
        + b"".join(_message(5, one) for one in initializers)
        + _message(11, _float_matrix(INPUT, features))
        + b"".join(_message(12, _float_matrix(name, columns)) for name, columns in outputs.items())
    )
    versions = {"": OPSET, **(domains or {})}
    return (
        _number(1, IR_VERSION)
        + _text(2, "lockgate")
        + _message(7, graph)
        + b"".join(_message(8, _text(1, name) + _number(2, version)) for name, version in versions.items())
    )


def _float_matrix(name: str, columns: int | None) -> bytes:
    """A ValueInfoProto of shape (rows, columns), any number of them for None."""
    shape = _message(1, _text(2, "rows")) + _message(1, b"" if columns is None else _number(1, columns))
    return _text(1, name) + _message(2, _message(1, _number(1, FLOAT) + _message(2, shape)))


def _without(content: bytes, numbers: Container[int]) -> bytes:
    """A message, which was read before, without the fields of these numbers."""
    kept, position = [], 0
    while position < len(content):
        start = position
        tag, position = read_varint(content, position, len(content))
        if tag & 7 == _VARINT:
            _, position = read_varint(content, position, len(content))
        elif tag & 7 == _LENGTH_DELIMITED:
            size, position = read_varint(content, position, len(content))
            position += size
        else:
            position += 4 if tag & 7 == _FIXED32 else 8
        if tag >> 3 not in numbers:
            kept.append(content[start:position])
    return b"".join(kept)


def _sizes(shape: Sequence[int]) -> bytes:
    return b"".join(_number(1, size) for size in shape)


def _message(number: int, content: bytes) -> bytes:
    return _tag(number, _LENGTH_DELIMITED) + _varint(len(content)) + content


def _text(number: int, value: str) -> bytes:
    return _message(number, value.encode())


def _texts(number: int, values: Iterable[str]) -> bytes:
    encoded = cache(_text)
    return b"".join(encoded(number, value) for value in values)


def _number(number: int, value: int) -> bytes:
    return _tag(number, _VARINT) + _varint(value)


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


@lru_cache(maxsize=65_536)
def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; a negative number is its two's complement in 64 bits."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    content.append(value)
    return bytes(content)
