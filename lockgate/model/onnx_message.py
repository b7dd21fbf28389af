"""One message of an ONNX file after the other: protobuf, read by tables of all that a bundle's model may have, and strictly.

ONNX is protobuf (https://protobuf.dev/programming-guides/encoding, onnx/onnx-ml.proto). A protobuf parser is lenient: it
merges a field that stands twice, skips what it does not know and cuts integers down, so two parsers may see two models in
one file. Here each field is in a table. What is in no table is refused, and with it all that a bundle's model never has:
functions, subgraphs, sparse and external tensors, training graphs, types that are no tensors. So a file that is read is
read as ONNX Runtime reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Table: TypeAlias = str  # the name of a message's table
Span: TypeAlias = tuple[int, int]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10  # bytes
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
_TABLES: Mapping[_Table, Mapping[int, _Field]] = {
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
_REFUSED: Mapping[tuple[_Table, int], str] = {
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


def model_message(content: bytes) -> Message:
    """The whole file, which is one message.

    Raises OnnxFormatError where a protobuf parser would fail or be lenient, and where the file has more than the tables; of
    a part of it once that is asked for.
    """
    return Message(_Source(content), (0, len(content)), "model")


@dataclass
class _Source:
    """A file, and how many of its parts were read."""

    content: bytes
    parts: int = 0

    def count_part(self) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise OnnxFormatError(f"has more than {MAX_PARTS:,} operators, attributes, constants and parts of them")


class Message:
    """One message: where each of its fields' values stand, in the order of the file."""

    def __init__(self, source: _Source, span: Span, table: _Table) -> None:
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

    def children(self, name: str) -> list[Message]:
        """The messages of a list."""
        table = self._tables[name]
        return [Message(self._source, span, table) for span in self._spans.get(name, ())]

    def child(self, name: str) -> Message | None:
        """The message, or None."""
        return next(iter(self.children(name)), None)

    def _scan(self, table: _Table, position: int, end: int) -> None:
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
