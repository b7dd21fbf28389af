"""The label: two classes as 0 and 1, or a refusal that says what it is instead."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lockgate.config.errors import InputError
from lockgate.data.columns import to_text

MIN_PER_CLASS = 50
OBVIOUS_POSITIVE = {frozenset({"0", "1"}): "1", frozenset({"false", "true"}): "true"}


def binary_target(column: pd.Series, positive: str | int | bool | None, where: str) -> tuple[np.ndarray, str]:
    """The target as int8 0/1, an array of shape (rows,), and the text of the positive class.

    Raises InputError for missing values, one class or more than two, an undeclared positive class, and fewer
    than 50 rows of either class.
    """
    name = column.name
    missing = int(column.isna().sum())
    if missing:
        raise InputError(f"{where}: target `{name}` has {missing:,} missing values; label these rows or leave them out")
    text = to_text(column)
    classes = sorted(text.unique())
    if len(classes) != 2:
        shown = ", ".join(classes[:4]) + (", ..." if len(classes) > 4 else "")
        plural = "class" if len(classes) == 1 else "classes"
        raise InputError(
            f"{where}: target `{name}` has {len(classes)} {plural} ({shown}); a binary target needs exactly two"
        )
    chosen = _positive_class(classes, positive, str(name), where)
    labels = (text == chosen).to_numpy(dtype="int8")
    for label, role in ((1, "positive"), (0, "negative")):
        count = int((labels == label).sum())
        if count < MIN_PER_CLASS:
            raise InputError(
                f"{where}: target `{name}` has {count} {role} rows; at least {MIN_PER_CLASS} are needed to train and judge"
            )
    return labels, chosen


def known_labels(column: pd.Series, positive: str, where: str) -> pd.Series:
    """The target of a current batch as 1.0 for the class `positive`, 0.0 for the other, NaN for rows without a label.

    Outcomes may be known for some rows or none. Raises InputError for more than one other class: which of them is the
    model's would be a guess.
    """
    text = to_text(column)
    others = sorted(set(text.dropna().unique()) - {positive})
    if len(others) > 1:
        shown = ", ".join(others[:4]) + (", ..." if len(others) > 4 else "")
        raise InputError(
            f"{where}: target `{column.name}` has the classes {shown} beside the positive one, {positive}; leave rows whose "
            "outcome is not known yet empty, or leave the column out"
        )
    return (text == positive).astype("float64").where(text.notna())


def prepared_labels(column: pd.Series, where: str) -> pd.Series:
    """The target of a table that `lockgate prepare` wrote, 0 and 1 already, as float64; InputError for anything else."""
    labels = pd.to_numeric(column, errors="coerce").astype("float64")
    wrong = column.notna() & ~labels.isin([0.0, 1.0])
    if wrong.any():
        raise InputError(
            f"{where}: target `{column.name}` holds {int(wrong.sum()):,} values other than 0, 1 and missing; fix them, or "
            "leave the column out"
        )
    return labels


def _positive_class(classes: list[str], positive: str | int | bool | None, name: str, where: str) -> str:
    if positive is None:
        obvious = OBVIOUS_POSITIVE.get(frozenset(classes))
        if obvious is None:
            raise InputError(
                f"{where}: target `{name}` has the classes {classes[0]} and {classes[1]}; say in prepare.positive "
                "which one is the event"
            )
        return obvious
    chosen = to_text(pd.Series([positive], dtype=object)).iloc[0]
    if chosen not in classes:
        raise InputError(
            f"{where}: prepare.positive is {chosen}, but target `{name}` has {classes[0]} and {classes[1]}; name one of them"
        )
    return str(chosen)
