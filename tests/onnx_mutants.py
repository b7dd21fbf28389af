"""Damaged copies of an ONNX file, each by a seed: bytes, indices, sizes, structure. Run as a program it judges a folder of them."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, ModelProto, TensorProto

from lockgate.config.errors import InputError
from lockgate.model.onnx_check import OPERATORS
from lockgate.model.onnx_runtime import TOLERANCE, OnnxModel

NUMBERS = (-(2**63), -(2**31), -1, 0, 1, 2, 3, 7, 255, 4096, 2**31 - 1, 2**31, 2**40, 2**63 - 1)
FLOATS = (0.0, -0.0, 1.0, -1e30, 1e38, float("inf"), float("-inf"), float("nan"), 1e-45)
LISTS = ("floats", "ints", "strings")


def mutant(content: bytes, seed: int) -> bytes:
    """The file with one to three changes of one kind."""
    chance = random.Random(seed)  # noqa: S311
    change = chance.choice([*BYTES, *STRUCTURE])
    if change in BYTES:
        for _ in range(chance.randint(1, 3)):
            content = change(chance, content) or content
        return content
    model = onnx.load_from_string(content)
    for _ in range(chance.randint(1, 3)):
        with suppress(IndexError):  # nothing of the kind is there, or no longer
            change(chance, model)
    return bytes(model.SerializeToString())


def _replace_bytes(chance: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 8])):
        changed[chance.randrange(len(changed))] = chance.choice([0, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    return bytes(changed)


def _cut(chance: random.Random, content: bytes) -> bytes:
    return content[: chance.randrange(len(content)) + 1]


def _delete(chance: random.Random, content: bytes) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + content[start + chance.choice([1, 2, 5, 64]) :]


def _repeat(chance: random.Random, content: bytes) -> bytes:
    start, place = (chance.randrange(len(content)) for _ in range(2))
    return content[:place] + content[start : start + chance.choice([1, 2, 5, 64, 4096])] + content[place:]


def _lists(model: ModelProto) -> list[Any]:
    """Every list of numbers in an attribute or a constant."""
    attributes = [one for node in model.graph.node for one in node.attribute]
    constants = [*model.graph.initializer, *(one.t for one in attributes if one.HasField("t"))]
    found = [one for attribute in attributes for one in (attribute.ints, attribute.floats)]
    found += [values for one in constants for values in (one.dims, one.int64_data, one.double_data, one.float_data)]
    return [one for one in found if len(one)]


def _change_an_entry(chance: random.Random, model: ModelProto) -> None:
    values = chance.choice(_lists(model))
    place = chance.randrange(len(values))
    if isinstance(values[place], float):
        values[place] = chance.choice([*FLOATS, values[chance.randrange(len(values))]])
    else:
        values[place] = chance.choice([*NUMBERS, values[place] + 1, values[place] - 1, *values[:3]])


def _change_a_length(chance: random.Random, model: ModelProto) -> None:
    values = chance.choice(_lists(model))
    if chance.random() < 0.5:
        del values[chance.randrange(len(values)) :]
    else:
        values.extend(values[: chance.choice([1, 10, 1000])])


def _exchange_entries(chance: random.Random, model: ModelProto) -> None:
    values = chance.choice(_lists(model))
    one, other = (chance.randrange(len(values)) for _ in range(2))
    values[one], values[other] = values[other], values[one]


def _change_a_mode(chance: random.Random, model: ModelProto) -> None:
    attributes = [one for node in model.graph.node for one in node.attribute if len(one.strings)]
    if attributes:
        values = chance.choice(attributes).strings
        values[chance.randrange(len(values))] = chance.choice([b"LEAF", b"BRANCH_EQ", b"BRANCH_MEMBER", b"", b"\xff"])


def _change_an_operator(chance: random.Random, model: ModelProto) -> None:
    node = chance.choice(model.graph.node)
    node.domain, operators = chance.choice(list(OPERATORS.items()))
    node.op_type = chance.choice(
        [*sorted(operators), "If", "Loop", "Scan", "Expand", "RandomNormal", "StringNormalizer"]
    )


def _change_an_attribute(chance: random.Random, model: ModelProto) -> None:
    attributes = [(node, one) for node in model.graph.node for one in node.attribute]
    if not attributes:
        return
    node, one = chance.choice(attributes)
    what = chance.randrange(4)
    if what == 0:
        node.attribute.remove(one)
    elif what == 1:
        node.attribute.add().CopyFrom(one)
    elif what == 2:
        one.name = chance.choice([other.name for _, other in attributes])
    else:
        one.i = chance.choice(NUMBERS)
        one.type = chance.choice([AttributeProto.INT, AttributeProto.INTS, AttributeProto.FLOAT, one.type])


def _change_a_name(chance: random.Random, model: ModelProto) -> None:
    names = [name for node in model.graph.node for name in (*node.input, *node.output)]
    node = chance.choice(model.graph.node)
    values = chance.choice([node.input, node.output])
    if len(values):
        values[chance.randrange(len(values))] = chance.choice([*names, "", "nobody"])


def _change_the_nodes(chance: random.Random, model: ModelProto) -> None:
    nodes = list(model.graph.node)
    what = chance.randrange(3)
    if what == 0:
        model.graph.node.remove(chance.choice(nodes))
    elif what == 1:
        model.graph.node.add().CopyFrom(chance.choice(nodes))
    else:
        chance.shuffle(nodes)
        del model.graph.node[:]
        model.graph.node.extend(nodes)


def _change_the_outside(chance: random.Random, model: ModelProto) -> None:
    value = chance.choice([*model.graph.input, *model.graph.output])
    kind = value.type.tensor_type
    what = chance.randrange(6)
    if what == 0:
        kind.elem_type = chance.choice([0, *range(1, 25), 2**31 - 1])
    elif what == 1:
        chance.choice(kind.shape.dim).dim_value = chance.choice(NUMBERS)
    elif what == 2:
        chance.choice(model.opset_import).version = chance.choice([*range(30), 2**63 - 1])
    elif what == 3:
        model.ir_version = chance.choice([*range(16), -1, 2**31])
    elif what == 4:
        model.opset_import.add(domain=chance.choice(["", "ai.onnx", "com.microsoft", "mine"]), version=1)
    else:
        model.metadata_props.add(key="ort_config", value="{}")


def _change_a_constant(chance: random.Random, model: ModelProto) -> None:
    constants = list(model.graph.initializer)
    one = chance.choice(constants) if constants else model.graph.initializer.add(name="new", data_type=1, dims=[0])
    what = chance.randrange(4)
    if what == 0:
        one.data_type = chance.randrange(25)
    elif what == 1:
        one.raw_data = chance.randbytes(chance.randrange(64))
    elif what == 2:
        one.data_location = TensorProto.EXTERNAL
        one.external_data.add(
            key="location", value=chance.choice(["etc/passwd", "../etc/passwd", "*/_ORT_MEM_ADDR_/*"])
        )
    else:
        one.dims[:] = [chance.choice(NUMBERS) for _ in range(chance.randrange(5))]


BYTES: tuple[Callable[[random.Random, bytes], bytes], ...] = (_replace_bytes, _replace_bytes, _cut, _delete, _repeat)
STRUCTURE: tuple[Callable[[random.Random, ModelProto], None], ...] = (
    _change_an_entry,
    _change_an_entry,
    _change_an_entry,
    _change_a_length,
    _exchange_entries,
    _exchange_entries,
    _change_a_mode,
    _change_an_operator,
    _change_an_attribute,
    _change_a_name,
    _change_the_nodes,
    _change_the_outside,
    _change_a_constant,
)


def judged(folder: Path) -> None:
    """Write for each of the folder's models what becomes of it: the same scores as before, others, or why it is refused."""
    rows, golden = np.load(folder / "rows.npy"), np.load(folder / "golden.npy")
    for path in sorted(folder.glob("*.onnx")):
        sys.stdout.write(f"{path.stem} ")
        sys.stdout.flush()  # before anything can end the process
        try:
            scores = OnnxModel.read(path.read_bytes(), rows.shape[1]).many(rows)
        except InputError as error:
            outcome = f"refused: {error}"
        else:
            outcome = "same" if np.allclose(scores, golden, rtol=0.0, atol=TOLERANCE) else "others"
        sys.stdout.write(f"{outcome}\n")


if __name__ == "__main__":
    judged(Path(sys.argv[1]))
