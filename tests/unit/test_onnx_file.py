"""The reader of ONNX against the package `onnx`: what it reads is the same, and what it would read otherwise it refuses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_models
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from onnx_mutants import mutant
from support import sample

from lockgate.model.onnx_file import ELEMENT_TYPES, Tensor, read_onnx
from lockgate.model.onnx_message import OnnxFormatError

RICH = onnx_models.model(
    onnx_models.node("Cast", outputs=["wide"], to=TensorProto.DOUBLE),
    onnx_models.node("Gather", "wide", "places", outputs=["some"], axis=1),
    onnx_models.trees(base_values=[0.5]),
    constants=[
        helper.make_tensor("places", TensorProto.INT64, [3], [0, 1, -1]),
        helper.make_tensor("weights", TensorProto.DOUBLE, [2, 2], [1.5, -2.0, float("inf"), 0.0]),
        helper.make_tensor("bits", TensorProto.BOOL, [2], [True, False]),
        helper.make_tensor("small", TensorProto.INT32, [2], [-5, 2**31 - 1]),
        helper.make_tensor("words", TensorProto.STRING, [2], [b"a", b"\xff"]),
        numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "raw"),
    ],
    features=2,
)
FILES = (RICH.SerializeToString(), onnx_models.content(), onnx_models.content(onnx_models.trees()))


def assert_same(content: bytes) -> None:
    """All that our reader says of a file is what `onnx` says."""
    ours, theirs = read_onnx(content), onnx.load_from_string(content)
    assert ours.ir_version == theirs.ir_version
    imports = [("" if one.domain == "ai.onnx" else one.domain, one.version) for one in theirs.opset_import]
    assert list(ours.opsets.items()) == list(dict(imports).items())
    assert ours.metadata == {one.key: one.value for one in theirs.metadata_props}
    graph = theirs.graph
    for values, protos in ((ours.inputs, graph.input), (ours.outputs, graph.output), (ours.inner, graph.value_info)):
        assert [one.name for one in values] == [one.name for one in protos]
        for value, proto in zip(values, protos, strict=True):
            kind = proto.type.tensor_type
            assert value.element_type == ELEMENT_TYPES[kind.elem_type]
            shape = [one.dim_value if one.HasField("dim_value") else one.dim_param or None for one in kind.shape.dim]
            assert value.shape == (tuple(shape) if kind.HasField("shape") else None)
    assert list(ours.initializers) == [one.name for one in graph.initializer]
    for tensor, proto in zip(ours.initializers.values(), graph.initializer, strict=True):
        assert_same_tensor(tensor, proto)
    assert len(ours.nodes) == len(graph.node)
    for node, proto in zip(ours.nodes, graph.node, strict=True):
        assert (node.operator, node.inputs, node.outputs) == (proto.op_type, tuple(proto.input), tuple(proto.output))
        assert node.domain == ("" if proto.domain == "ai.onnx" else proto.domain)
        assert list(node.attributes) == [one.name for one in proto.attribute]
        for attribute in proto.attribute:
            found = node.attributes[attribute.name]
            kind = AttributeProto.AttributeType.Name(attribute.type)
            assert found.is_list == (kind in ("INTS", "FLOATS", "STRINGS"))
            single = {"INT": [attribute.i], "FLOAT": [attribute.f], "STRING": [attribute.s]}
            assert found.integers.tolist() == (single[kind] if kind == "INT" else list(attribute.ints))
            assert_equal_numbers(found.floats, single[kind] if kind == "FLOAT" else attribute.floats)
            assert list(found.texts) == (single[kind] if kind == "STRING" else list(attribute.strings))
            assert (found.tensor is None) == (kind != "TENSOR")
            if found.tensor is not None:
                assert_same_tensor(found.tensor, attribute.t)


def assert_same_tensor(ours: Tensor, theirs: TensorProto) -> None:
    assert (ours.name, ours.element_type) == (theirs.name, ELEMENT_TYPES[theirs.data_type])
    assert ours.dimensions == tuple(theirs.dims)
    if ours.values is None:
        assert list(ours.texts) == list(theirs.string_data)
    else:
        expected = numpy_helper.to_array(theirs)
        assert ours.values.dtype == expected.dtype
        assert_equal_numbers(ours.values, expected)


def assert_equal_numbers(ours: np.ndarray, theirs: Sequence[float]) -> None:
    np.testing.assert_array_equal(ours, np.asarray(theirs, ours.dtype))


@pytest.mark.parametrize("content", FILES)
def test_a_file_is_read_as_onnx_reads_it(content: bytes) -> None:
    assert_same(content)


def test_a_damaged_file_is_read_as_onnx_reads_it_or_refused() -> None:
    read = 0
    for content in FILES:
        for seed in sample(range(4000), 60):
            damaged = mutant(content, seed)
            try:
                read_onnx(damaged)
            except OnnxFormatError:
                continue
            assert_same(damaged)
            read += 1
    assert read


def test_where_onnx_reads_nothing_nothing_is_read() -> None:
    """Every file that is cut off, and every byte changed to four others."""
    content = FILES[1]
    damaged = [content[:end] for end in range(1, len(content))]
    damaged += [
        content[:place] + bytes([value]) + content[place + 1 :]
        for place in range(len(content))
        for value in (0, 0x7F, 0x80, 0xFF)
    ]
    unreadable = 0
    for one in damaged:
        try:
            onnx.load_from_string(one)
        except DecodeError:
            unreadable += 1
            with pytest.raises(OnnxFormatError):
                read_onnx(one)
    assert unreadable > len(content)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    with pytest.raises(OnnxFormatError):
        read_onnx(content)


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def field(number: int, wire_type: int, content: bytes) -> bytes:
    size = varint(len(content)) if wire_type == 2 else b""
    return varint(number << 3 | wire_type) + size + content


ATTRIBUTE = field(1, 2, b"a") + field(20, 0, b"\x07")  # the integers `a`


def with_attribute(attribute: bytes) -> bytes:
    node = field(4, 2, b"Sigmoid") + field(5, 2, attribute)
    return field(7, 2, field(1, 2, node))


def integers(content: bytes) -> list[int]:
    return read_onnx(content).nodes[0].attributes["a"].integers.tolist()


def test_numbers_of_a_list_may_stand_together_or_apart() -> None:
    negative = varint(2**64 - 3)
    apart = b"".join(field(8, 0, one) for one in (b"\x01", varint(300), negative))
    together = field(8, 2, b"\x01" + varint(300) + negative)
    assert integers(with_attribute(ATTRIBUTE + apart)) == [1, 300, -3]
    assert integers(with_attribute(ATTRIBUTE + together)) == [1, 300, -3]
    assert integers(with_attribute(field(8, 0, b"\x05") + ATTRIBUTE + together)) == [5, 1, 300, -3]
    for content in (apart, together):
        assert_same(with_attribute(ATTRIBUTE + content))


LENIENT = {
    "a field twice, which protobuf merges": (field(7, 2, b"") * 2, "has the graph of the model twice"),
    "a number twice": (field(1, 0, b"\x08") * 2, "has the ir_version of the model twice"),
    "an unknown field": (field(99, 0, b"\x01"), "has a field 99, which no model has"),
    "field 0": (field(0, 0, b"\x01"), "a field 0"),
    "a group": (b"\x3b\x3c", "graph of the model in a form of another type"),
    "an unknown wire type": (b"\x3f", "in a form of another type"),
    "a longer varint than it needs": (b"\x08\x88\x00", "in another form than the shortest"),
    "a varint beyond 64 bits": (b"\x08" + b"\xff" * 9 + b"\x02", "in another form than the shortest"),
    "a varint without an end": (b"\x08" + b"\xff" * 11, "ends within the ir_version"),
    "a length beyond the end": (b"\x3a\x05\x00", "ends within the graph of the model"),
    "a list that ends within a number": (with_attribute(ATTRIBUTE + field(8, 2, b"\x01\x80")), "ends within a number"),
    "a padded number in a list": (with_attribute(ATTRIBUTE + field(8, 2, b"\x81\x00")), "than the shortest"),
    "an integer given as bytes": (field(1, 2, b"\x08"), "in a form of another type"),
    "no graph": (field(1, 0, b"\x08"), "has no graph"),
    "an operator that is no UTF-8": (field(7, 2, field(1, 2, field(4, 2, b"\xff"))), "is no UTF-8"),
}


PIECES = ATTRIBUTE + field(8, 2, b"\x01") * 61
BULKY = {
    "MAX_PARTS": (field(7, 2, field(1, 2, b"") * 60), "more than 60 operators, attributes, constants"),
    "MAX_ENTRIES": (field(7, 2, field(1, 2, field(1, 2, b"") * 61)), "more than 60 input in one node"),
    "MAX_PIECES": (with_attribute(PIECES), "the ints of one list in more than 60 pieces"),
}


@pytest.mark.parametrize("limit", BULKY)
def test_what_takes_more_memory_than_room_in_the_file_is_refused(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bytes can make an operator, a text or a piece of a list."""
    content, problem = BULKY[limit]
    read_onnx(content)
    monkeypatch.setattr(f"lockgate.model.onnx_message.{limit}", 60)
    with pytest.raises(OnnxFormatError, match=problem):
        read_onnx(content)


@pytest.mark.parametrize("case", LENIENT)
def test_where_parsers_may_differ_a_file_is_refused(case: str) -> None:
    content, problem = LENIENT[case]
    with pytest.raises(OnnxFormatError, match=problem):
        read_onnx(content)
