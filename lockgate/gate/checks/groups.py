"""The groups of rows that a column makes: its values, or quantile bands where it is a number with many values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lockgate.config.errors import InputError
from lockgate.config.suggest import nearest
from lockgate.documents.schema_json import RESERVED_FOR_PREDICTIONS
from lockgate.model.predictions import Predictions

BANDS = 5
MAX_NUMBERS = 10  # distinct numbers that are still values of their own
MAX_VALUES = 20
MISSING = "missing"


@dataclass(frozen=True)
class Group:
    """The rows, as indices in ascending order, in which `column` has the value or lies in the band `label`."""

    column: str
    label: str
    rows: np.ndarray

    @property
    def name(self) -> str:
        """As the report shows it."""
        return f"{self.column} = {self.label}"


def groups_of(predictions: Predictions, column: str, key: str) -> list[Group]:
    """Non-empty groups of one column, which `key` of the policy names. Raises InputError where there is none."""
    columns = [name for name in predictions.table.columns if name not in RESERVED_FOR_PREDICTIONS]
    if column not in columns:
        raise InputError(f"{key} names `{column}`, which the predictions do not have; {_offer(column, columns)}")
    values = predictions.table[column]
    labels = _bands(values) if _is_banded(values) else _values(values)
    return [
        Group(column, label, np.flatnonzero((labels == label).to_numpy()))
        for label in _ordered(labels.unique().tolist())
    ]


def _offer(column: str, columns: list[str]) -> str:
    return nearest(column, columns) if columns else "a column to slice by has to be in the table"


def _is_banded(values: pd.Series) -> bool:
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return numeric and values.nunique() > MAX_NUMBERS


def _bands(values: pd.Series) -> pd.Series:
    """Right-closed quantile bands, named by the lowest and highest value in each."""
    numbers = values.to_numpy(dtype="float64", na_value=np.nan)
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    edges = np.unique(np.nanquantile(numbers, np.arange(1, BANDS) / BANDS, method="inverted_cdf"))
    band = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="left"))
    labels = {-1: MISSING}
    for i in np.unique(band[band >= 0]):
        inside = numbers[band == i]
        labels[int(i)] = f"{inside.min():.6g} to {inside.max():.6g}"
    return pd.Series(band).map(labels)


def _values(values: pd.Series) -> pd.Series:
    """Each value as text; beyond MAX_VALUES the rarest are one group."""
    labels = values.map(_text).where(values.notna().to_numpy(), MISSING).reset_index(drop=True)
    counts = sorted(labels.value_counts().items(), key=lambda item: (-item[1], str(item[0])))
    if len(counts) <= MAX_VALUES:
        return labels
    kept = {label for label, _ in counts[: MAX_VALUES - 1]}
    return labels.where(labels.isin(kept), f"{len(counts) - len(kept)} rarer values")


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _ordered(labels: Iterable[str]) -> list[str]:
    """Numbers by size, then text, then what is missing."""

    def key(label: str) -> tuple[int, float, str]:
        try:
            return (0, float(label.split(" to ")[0]), label)
        except ValueError:
            return (2 if label == MISSING else 1, 0.0, label)

    return sorted(labels, key=key)
