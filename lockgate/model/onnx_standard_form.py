"""Any converter's ONNX as a bundle has it: one float32 matrix of the features in, the event's probability out.

What was exported is kept, operator by operator, without what only the exporter's other outputs need (labels, ZipMap). In
front of it columns become what it takes: a column each, as numbers or as the texts of categories; behind it the event's
column is taken. So every model is scored by one function, in the same way alone and in a batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from lockgate.config.errors import InputError
from lockgate.config.suggest import nearest
from lockgate.data.names import kinds_of
from lockgate.documents.schema_json import Feature, Schema
from lockgate.model import onnx_writer
from lockgate.model.features import MISSING_TEXT
from lockgate.model.onnx_check import check_parts, require_format
from lockgate.model.onnx_file import ELEMENT_TYPES, Node, OnnxFile, Value, read_onnx
from lockgate.model.onnx_message import OnnxFormatError, shown
from lockgate.model.onnx_rows import Columns, followed
from lockgate.model.onnx_runtime import INPUT, OUTPUT

HOW_TO_FIX = "export the model as ONNX, of what docs/import-model.md and docs/bundle.md list"
LEAST_IR_VERSION = 4  # before it constants stood among the inputs as well
_TYPE_NUMBERS = {name: number for number, name in ELEMENT_TYPES.items()}
_WITH_NAN, _WHOLE = ("float", "double"), ("int32", "int64", "bool")
_LABELS = ("classlabels_int64s", "classlabels_ints", "classlabels_strings")
LACKS_REQUIRED = "lacks_required"
_THEIRS = "model/"  # in front of every name of theirs, and of none of ours


@dataclass(frozen=True)
class StandardForm:
    """A model.onnx, and what of the exporter's it gives: the output, and its column where it has two."""

    content: bytes = field(repr=False)
    output: str
    event_class: int | None


def standard_form(
    content: bytes, schema: Schema, where: str, output: str | None = None, event_class: int | None = None
) -> StandardForm:
    """The model in `content` as a bundle's model.onnx for the features of `schema`; one that is so already stays as it is.

    It takes one matrix of numbers, features in the schema's order and categories as codes, or one input of shape (rows, 1) a
    feature, by its name: numbers, or the text of a category, empty where it is missing. `output` names the output with the
    probability where several could have it. Where that has two columns, `event_class` is the event's: by default the one
    whose label is the schema's, or the second.
    Raises InputError, one line that begins with `where`, for what is none of this or what a bundle may not have.
    """
    try:
        require_format(content)
        exported = read_onnx(content, any_outputs=True)
        output = _chosen_output(exported, output, where)
        chosen = _tensor_of(exported, output)
        model = _needed_for(exported, chosen)
        check_parts(model)
        columns = followed(model).get(chosen)
    except OnnxFormatError as error:
        raise InputError(f"{where} {error}; {HOW_TO_FIX}") from None
    if columns not in ((), (1,), (2,)):
        size = "the same for every row" if columns is None else f"{math.prod(columns):,} numbers a row"
        raise InputError(
            f"{where} gives `{shown(output)}`, {size}, and a bundle's model gives the probability of two classes or of one; "
            "name another output with --output"
        )
    event = _event_column(exported, columns, schema, where, event_class)
    if event is None and _is_standard(exported, schema):
        return StandardForm(content, output, None)
    graph = _StandardGraph(model, schema, where)
    graph.take_features()
    graph.keep_model(content)
    graph.give_probability(chosen, event)
    return StandardForm(graph.content, output, event)


def _is_standard(model: OnnxFile, schema: Schema) -> bool:
    taken = [(one.name, one.element_type, one.shape and one.shape[1:]) for one in model.inputs]
    return taken == [(INPUT, "float", (len(schema.features),))] and [one.name for one in model.outputs] == [OUTPUT]


def _chosen_output(model: OnnxFile, output: str | None, where: str) -> str:
    names = [one.name for one in model.outputs]
    if output is None:
        found = [
            one.name
            for one in model.outputs
            if one.element_type in _WITH_NAN or _tensor_of(model, one.name) != one.name
        ]
        if len(found) != 1:
            raise InputError(
                f"{where} gives {_listed(names)}, and which of them is the probability is not clear; name it with --output"
            )
        return found[0]
    if output not in names:
        raise InputError(f"--output: {where} gives no `{output}`; {nearest(output, map(shown, names))}")
    return output


def _tensor_of(model: OnnxFile, output: str) -> str:
    """What an output is made of: the tensor that goes into a ZipMap, which makes a dictionary of each row."""
    makers = [node for node in model.nodes if output in node.outputs]
    return makers[0].inputs[0] if makers and makers[0].operator == "ZipMap" else output


def _needed_for(model: OnnxFile, chosen: str) -> OnnxFile:
    """The model without what is not needed for one of its tensors, whose only output is this."""
    wanted, nodes = {chosen}, list[Node]()
    for node in reversed(model.nodes):
        if not wanted.isdisjoint(node.outputs):
            nodes.append(node)
            wanted.update(node.inputs)
    domains = {node.domain for node in nodes}
    return replace(
        model,
        ir_version=max(model.ir_version, LEAST_IR_VERSION),
        opsets={domain: version for domain, version in model.opsets.items() if domain in domains},
        nodes=tuple(reversed(nodes)),
        initializers={name: one for name, one in model.initializers.items() if name in wanted},
        inputs=tuple(one for one in model.inputs if one.name not in model.initializers),
        outputs=(Value(chosen, "", None),),
        inner=(),
    )


def _event_column(
    model: OnnxFile, columns: Columns | None, schema: Schema, where: str, event_class: int | None
) -> int | None:
    """The place of the event's column among two; None where there is only one."""
    if columns != (2,):
        if event_class is not None:
            raise InputError(f"--class: {where} gives one probability a row, and not one for each class; leave it out")
        return None
    if event_class is not None:
        if event_class not in (0, 1):
            raise InputError(f"--class is {event_class}, and {where} gives two probabilities a row; give 0 or 1")
        return event_class
    classes = schema.classes
    for first, second in _class_labels(model):
        if first in classes.positive and second in classes.negative:
            return 0
    return 1


def _class_labels(model: OnnxFile) -> Iterator[tuple[str, str]]:
    """The labels of the two classes wherever an operator has them."""
    for node in model.nodes:
        for name in _LABELS:
            if name in node.attributes:
                found = node.attributes[name]
                labels = [text.decode(errors="replace") for text in found.texts] or [str(one) for one in found.integers]
                if len(labels) == 2:
                    yield labels[0], labels[1]


class _StandardGraph:
    """The operators and constants of a standard form, in their order: features, then the exported model, then its probability."""

    def __init__(self, model: OnnxFile, schema: Schema, where: str) -> None:
        self._model, self._inputs, self._features, self._where = model, model.inputs, schema.features, where
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._has_required = False  # whether the rows of `LACKS_REQUIRED` have no score

    @property
    def content(self) -> bytes:
        """The file."""
        return onnx_writer.model(self._nodes, len(self._features), self._constants, self._model.opsets)

    def keep_model(self, content: bytes) -> None:
        """The exported model as it stands in its file, under names that are no others'."""
        self._constants += [
            onnx_writer.renamed_tensor(_part(content, one.span), _THEIRS + one.name)
            for one in self._model.initializers.values()
        ]
        self._nodes += [
            onnx_writer.renamed_node(_part(content, one.span), _renamed(one.inputs), _renamed(one.outputs))
            for one in self._model.nodes
        ]

    def give_probability(self, chosen: str, event: int | None) -> None:
        """The column `event` of the model's output `chosen`, or its only one, as a number a row; NaN where a value is needed."""
        given = _THEIRS + chosen
        if event is not None:
            self._add("Gather", [given, "event"], "of_event", axis=1)
            self._constants.append(onnx_writer.indices("event", [event]))
            given = "of_event"
        self._add("Cast", [given], "as_float", to=onnx_writer.FLOAT)
        self._add("Reshape", ["as_float", "one_column"], "score")
        self._constants += [onnx_writer.indices("one_column", [-1, 1]), onnx_writer.numbers("nan", [float("nan")])]
        given = "score"
        if self._has_required:
            self._add("Where", [LACKS_REQUIRED, "nan", "score"], "score_or_none")
            given = "score_or_none"
        self._add("Identity", [given], OUTPUT)

    def take_features(self) -> None:
        """The matrix of features as the inputs of the exported model; raises InputError where they are not its own."""
        for value in self._inputs:
            if value.shape and isinstance(value.shape[0], int):
                raise InputError(
                    f"{self._where} takes {value.shape[0]} rows at once; export it with a first dimension that is free "
                    "(`dynamic_axes` in PyTorch, None in skl2onnx)"
                )
        if self._is_matrix():
            self._matrix(self._inputs[0])
        else:
            self._columns()

    def _is_matrix(self) -> bool:
        names, first = {feature.name for feature in self._features}, self._inputs[0]
        return len(self._inputs) == 1 and (first.name not in names or (first.shape or ())[1:] != (1,))

    def _matrix(self, value: Value) -> None:
        names = [feature.name for feature in self._features]
        if value.element_type not in _WITH_NAN or len(value.shape or ()) != 2:
            raise InputError(
                f"{self._where} takes one input, `{shown(value.name)}`, that is no matrix of float numbers; export it with "
                "one, or with an input for each feature, by its name"
            )
        width = (value.shape or (0, 0))[1]
        if width != len(names):
            raise InputError(
                f"{self._where} takes a matrix of {width} features, and the table has {len(names)}: {_listed(names)}; leave "
                "out those that it was not trained on with prepare.kinds: {NAME: drop}"
            )
        self._cast(INPUT, value)

    def _columns(self) -> None:
        features = {feature.name: feature for feature in self._features}
        for value in self._inputs:
            if value.name not in features:
                raise InputError(
                    f"{self._where} takes `{shown(value.name)}`, which is no feature of the table; "
                    f"{nearest(value.name, features)} (prepare.rename gives a column another name)"
                )
            if value.shape is None or value.shape[1:] != (1,):
                raise InputError(
                    f"{self._where} takes `{shown(value.name)}` in another shape than (rows, 1); export it with one column an "
                    "input"
                )
        taken = {value.name for value in self._inputs}
        if unused := [name for name in features if name not in taken]:
            raise InputError(
                f"{self._where} has no input for {_listed(unused)} of the table; leave {'it' if len(unused) == 1 else 'them'} "
                f"out with {kinds_of(dict.fromkeys(unused, 'drop'))}"
            )
        for value in self._inputs:
            self._require_kind(value, features[value.name])
        places = {feature.name: place for place, feature in enumerate(self._features)}
        numbers = [one for one in self._inputs if one.element_type in _WITH_NAN]
        texts = [one for one in self._inputs if one.element_type == "string"]
        whole = [one for one in self._inputs if one.element_type in _WHOLE]
        for value in numbers:
            self._cast(self._column(INPUT, places[value.name], f"number_{places[value.name]}"), value)
        if texts:
            # What is missing stands behind the categories.
            after = [float(len(features[one.name].categories)) for one in texts]
            self._fill("texts", [places[one.name] for one in texts], after)
            self._add("Cast", ["texts_filled"], "codes", to=onnx_writer.INT64)
        for place, value in enumerate(texts):
            self._constants.append(
                onnx_writer.words(f"texts_{place}", [*features[value.name].categories, MISSING_TEXT])
            )
            code = self._column("codes", place, f"code_{place}")
            self._add("Gather", [f"texts_{place}", code], _THEIRS + value.name, axis=0)
        if whole:
            # What a missing value would be as a whole number is each processor's own affair: it is 0, and the row has no score.
            self._fill("whole", [places[one.name] for one in whole], [0.0] * len(whole))
            self._find_rows_that_lack_one("whole_missing", len(whole))
        for place, value in enumerate(whole):
            self._cast(self._column("whole_filled", place, f"whole_{place}"), value)

    def _require_kind(self, value: Value, feature: Feature) -> None:
        name, is_text = value.name, value.element_type == "string"
        if is_text and feature.kind == "numeric":
            raise InputError(
                f"{self._where} takes `{name}` as text, and the table has numbers there; set "
                f"{kinds_of({name: 'categorical'})}"
            )
        if not is_text and feature.kind == "categorical":
            raise InputError(
                f"{self._where} takes `{name}` as numbers, and the table has categories there ({_listed(feature.categories)}); "
                f"export it with what encodes them, or set {kinds_of({name: 'numeric'})}"
            )
        if value.element_type in _WHOLE and feature.nullable:
            raise InputError(
                f"{self._where} takes `{name}` as {value.element_type}, which has no missing value, and the table has rows "
                "without it; export it as float"
            )

    def _fill(self, name: str, places: list[int], instead: list[float]) -> None:
        """Some of the features, with other numbers where they are missing, as NAME_filled; and where, as NAME_missing."""
        self._constants += [
            onnx_writer.indices(f"{name}_places", places),
            onnx_writer.numbers(f"{name}_instead", instead),
        ]
        self._add("Gather", [INPUT, f"{name}_places"], name, axis=1)
        self._add("IsNaN", [name], f"{name}_missing")
        self._add("Where", [f"{name}_missing", f"{name}_instead", name], f"{name}_filled")

    def _find_rows_that_lack_one(self, missing: str, columns: int) -> None:
        self._constants.append(onnx_writer.numbers("ones", [1.0] * columns))
        self._add("Cast", [missing], "missing_as_numbers", to=onnx_writer.FLOAT)
        self._add("MatMul", ["missing_as_numbers", "ones"], "missing_sum")
        self._add("Reshape", ["missing_sum", "one_column"], "missing_count")
        self._add("Cast", ["missing_count"], LACKS_REQUIRED, to=_TYPE_NUMBERS["bool"])
        self._has_required = True

    def _column(self, matrix: str, place: int, name: str) -> str:
        """One of a matrix's columns, by its place, under this name."""
        self._constants.append(onnx_writer.indices(f"{name}_place", [place]))
        self._add("Gather", [matrix, f"{name}_place"], name, axis=1)
        return name

    def _cast(self, column: str, value: Value) -> None:
        self._add("Cast", [column], _THEIRS + value.name, to=_TYPE_NUMBERS[value.element_type])

    def _add(self, operator: str, inputs: list[str], output: str, **attributes: int) -> None:
        made = [onnx_writer.integer(name, value) for name, value in attributes.items()]
        self._nodes.append(onnx_writer.node(operator, inputs, [output], made))


def _part(content: bytes, span: tuple[int, int]) -> bytes:
    return content[slice(*span)]


def _renamed(names: Iterable[str]) -> list[str]:
    """An empty name stands for what is left out."""
    return [name and _THEIRS + name for name in names]


def _listed(names: Iterable[str]) -> str:
    """Names as they can stand in an error's line, the first ten."""
    found = [f"`{shown(name)}`" for name in names]
    return ", ".join(found[:10]) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
