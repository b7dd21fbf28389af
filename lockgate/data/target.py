"""The label: two classes as 0 and 1, or a refusal that says what it is instead."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.errors import InputError
from lockgate.config.params import Classes, Prepare
from lockgate.data.columns import SameValue, plain_value, read_column
from lockgate.data.markers import MARKERS_AMONG_CATEGORIES
from lockgate.data.names import quoted
from lockgate.data.source_table import SourceTable
from lockgate.data.text_cells import DistinctTexts, distinct_texts
from lockgate.documents.schema_json import MarkerCount, Reading, TargetClasses

MIN_PER_CLASS = 50
MAX_SHOWN = 20  # classes in a message
OBVIOUS = ((1.0, 0.0), ("true", "false"))  # the event, and what is none


@dataclass(frozen=True)
class Target:
    """The labels of a table, and how those of later ones are read.

    `kept` is an array of shape (rows,), false for rows that are left out; `labels` are int8, 0 or 1, of the others.
    `left_out` counts the rows by what stood in them.
    """

    labels: np.ndarray
    kept: np.ndarray
    left_out: tuple[MarkerCount, ...]
    classes: TargetClasses
    reading: Reading

    @property
    def positive(self) -> str:
        """The event in words: its class, or its classes."""
        return " or ".join(self.classes.positive)


def read_target(cells: pa.ChunkedArray, prepare: Prepare, table: SourceTable) -> Target:
    """The labels of the training data, of the column `prepare.target`.

    Raises InputError for missing values; for any number of classes but two where `prepare.classes` does not name all that
    there are; where nothing says which class is the event; and for fewer than 50 rows of either class.
    """
    name, named = prepare.target, _named(prepare)
    known = tuple(text for text in (*MARKERS_AMONG_CATEGORIES, *prepare.read.missing) if text not in named)
    reading = Reading("categorical", known)
    texts = read_column(name, cells, reading, table).values
    if prepare.classes and "" in named:
        texts = texts.fill_null("")
    if texts.null_count:
        place = table.place(pc.index(texts.is_null(), True).as_py())
        raise InputError(
            f"{table.name}: target `{name}` has {table.count(texts.is_null()):,} missing values, the first in {place}; label "
            "these rows or leave them out"
        )
    found = distinct_texts(texts, table.counts)
    classes = (
        _declared_classes(name, texts, found, prepare.classes, table)
        if prepare.classes
        else _two_classes(name, found, prepare, table)
    )
    for role, texts_of_class in (("positive", classes.positive), ("negative", classes.negative)):
        rows = int(found.counts[_are(found.values, texts_of_class)].sum())
        if rows < MIN_PER_CLASS:
            raise InputError(
                f"{table.name}: target `{name}` has {rows} {role} rows; at least {MIN_PER_CLASS} are needed to train and "
                "judge"
            )
    left_out = tuple(MarkerCount(text, count) for text, count in found.most_frequent() if text in classes.left_out)
    return Target(*_labels(texts, classes), left_out, classes, reading)


def labels_of_batch(target: Target, name: str, cells: pa.ChunkedArray, table: SourceTable) -> Target:
    """The labels of some rows of the table that `target` was read from."""
    texts = read_column(name, cells, target.reading, table).values
    if "" in {*target.classes.positive, *target.classes.negative, *target.classes.left_out}:
        texts = texts.fill_null("")
    labels, kept = _labels(texts, target.classes)
    return replace(target, labels=labels, kept=kept)


def _labels(texts: pa.ChunkedArray, classes: TargetClasses) -> tuple[np.ndarray, np.ndarray]:
    positive, negative = (_are(texts, one) for one in (classes.positive, classes.negative))
    kept = positive | negative
    return positive[kept].astype("int8"), kept


def read_labels(
    name: str, cells: pa.ChunkedArray, reading: Reading, classes: TargetClasses, table: SourceTable
) -> np.ndarray:
    """The labels of a current batch, float64: 1.0 for the event, 0.0 for none, NaN where it is not known or left out.

    Outcomes may be known for some rows or none. A text is a class where it is the same number or truth value, too: programs write
    1.0 for 1 as soon as one outcome is missing. Raises InputError for a class that the training data do not have.
    """
    known = (*classes.positive, *classes.negative, *classes.left_out)
    encoded = read_column(name, cells, reading, table, known).values.combine_chunks().dictionary_encode()
    same = SameValue(known)
    meant = [same.text_of(text) if text == text.strip() else text for text in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(len(meant)).to_numpy()
    others = np.array([*(text not in known for text in meant), False])[codes]
    if others.any():
        row = int(others.argmax())
        raise InputError(
            f"{table.name}: target `{name}` holds {quoted(meant[codes[row]])} in {table.place(row)} ({int(others.sum()):,} such); "
            f"known are {', '.join(quoted(one) for one in known)}: leave rows whose outcome is not known yet empty, or leave the "
            "column out"
        )
    labels: np.ndarray = np.array([*(_label(text, classes) for text in meant), np.nan])[codes]
    return labels


def _label(text: str, classes: TargetClasses) -> float:
    if text in classes.positive:
        return 1.0
    return 0.0 if text in classes.negative else np.nan


def obvious_positive(texts: Collection[str]) -> str | None:
    """The text of the event where the texts are 0 and 1, or false and true, however they are written; else None."""
    values = {plain_value(text): text for text in texts}
    return next((values[event] for event, other in OBVIOUS if set(values) == {event, other} and len(texts) == 2), None)


def _are(texts: pa.Array | pa.ChunkedArray, classes: Sequence[str]) -> np.ndarray:
    chosen = pc.is_in(texts, pa.array(classes, pa.string()))
    return np.asarray(chosen.to_numpy(zero_copy_only=False), bool)


def _text(value: str | int | bool) -> str:
    """A value of params.yaml as a typed file's cell would be told."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _named(prepare: Prepare) -> set[str]:
    """The texts of classes that the settings name, which therefore do not mean missing."""
    values = [] if prepare.positive is None else [prepare.positive]
    if prepare.classes:
        values = [*prepare.classes.positive, *prepare.classes.negative, *prepare.classes.left_out]
    return {_text(value) for value in values}


def _declared_classes(
    name: str, texts: pa.ChunkedArray, found: DistinctTexts, declared: Classes, table: SourceTable
) -> TargetClasses:
    same = SameValue(found.values.to_pylist())
    positive, negative, left_out = (
        tuple(same.text_of(_text(value)) for value in values)
        for values in (declared.positive, declared.negative, declared.left_out)
    )
    unnamed = sorted(set(found.values.to_pylist()) - {*positive, *negative, *left_out})
    if unnamed:
        place = table.place(pc.index(texts, unnamed[0]).as_py())
        raise InputError(
            f"{table.name}: target `{name}` holds {quoted(unnamed[0])} in {place}, which prepare.classes does not name; its values "
            f"are {_counted(found)}: name each as positive, negative or left_out"
        )
    return TargetClasses(positive, negative, left_out)


def _two_classes(name: str, found: DistinctTexts, prepare: Prepare, table: SourceTable) -> TargetClasses:
    texts = sorted(set(found.values.to_pylist()))
    if len(texts) != 2:
        how_to_fix = (
            "say in prepare.classes which are positive, which negative, and which rows are left_out"
            + (", or set prepare.read.header: 2 if row 1 names the columns" if found.counts[0] == 1 else "")
            if len(texts) > 2
            else "a model learns from two, the event and its opposite; check prepare.target, and that the table has both"
        )
        plural = "class" if len(texts) == 1 else "classes"
        raise InputError(f"{table.name}: target `{name}` has {len(texts):,} {plural}, {_counted(found)}; {how_to_fix}")
    positive = _positive(name, texts, prepare.positive, table)
    return TargetClasses((positive,), tuple(text for text in texts if text != positive))


def _positive(name: str, texts: list[str], positive: str | int | bool | None, table: SourceTable) -> str:
    shown = f"{quoted(texts[0])} and {quoted(texts[1])}"
    if positive is None:
        if obvious := obvious_positive(texts):
            return obvious
        raise InputError(
            f"{table.name}: target `{name}` has the classes {shown}; say in prepare.positive which one is the event"
        )
    chosen = SameValue(texts).text_of(_text(positive))
    if chosen not in texts:
        raise InputError(
            f"{table.name}: prepare.positive is {quoted(chosen)}, but target `{name}` has {shown}; name one of them"
        )
    return chosen


def _counted(found: DistinctTexts) -> str:
    counts = found.most_frequent()
    shown = ", ".join(f"{quoted(text)} ({count:,})" for text, count in counts[:MAX_SHOWN])
    return shown + (f" and {len(counts) - MAX_SHOWN:,} more" if len(counts) > MAX_SHOWN else "")
