"""The groups of rows that a column makes: its values, or quantile bands where it is a number with many values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    columns = [name for name in predictions.columns if name not in RESERVED_FOR_PREDICTIONS]
    if column not in predictions.table.columns or column not in columns:
        raise InputError(f"{key} names `{column}`, which the predictions do not have; {_offer(column, columns)}")
    values = predictions.table[column]
    labels = _bands(values) if _is_banded(values) else _values(values)
    numbers = {label: number for number, label in enumerate(labels.texts)}
    return [Group(column, label, np.flatnonzero(labels.of_rows == numbers[label])) for label in _ordered(labels.texts)]


@dataclass(frozen=True)
class _Labels:
    """Different labels of groups, none without a row, and the number of each row's."""

    texts: list[str]
    of_rows: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str], of_rows: np.ndarray) -> _Labels:
        """Of labels that may be equal, or that no row has."""
        rows = np.bincount(of_rows, minlength=len(texts))
        different = list(dict.fromkeys(text for text, count in zip(texts, rows, strict=True) if count))
        numbers = {text: number for number, text in enumerate(different)}
        renumbered = np.array([numbers.get(text, 0) for text in texts], dtype=np.int32)
        return cls(different, renumbered[of_rows])

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each."""
        return dict(zip(self.texts, np.bincount(self.of_rows, minlength=len(self.texts)).tolist(), strict=True))


def _offer(column: str, columns: list[str]) -> str:
    return nearest(column, columns) if columns else "a column to slice by has to be in the table"


def _is_banded(values: pd.Series) -> bool:
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return numeric and values.nunique() > MAX_NUMBERS


def _bands(values: pd.Series) -> _Labels:
    """Right-closed quantile bands, named by the lowest and highest value in each."""
    numbers = values.to_numpy(dtype="float64", na_value=np.nan)
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    edges = np.unique(np.nanquantile(numbers, np.arange(1, BANDS) / BANDS, method="inverted_cdf"))
    band = np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers, side="left")).astype(np.int8)
    texts = []
    for number in range(len(edges) + 1):
        inside = numbers[band == number]
        texts.append(f"{inside.min():.6g} to {inside.max():.6g}" if len(inside) else "")
    return _Labels.of([*texts, MISSING], band)


def _values(values: pd.Series) -> _Labels:
    """Each value as text; beyond MAX_VALUES the rarest are one group."""
    codes, different = pd.factorize(values)
    texts = [*map(_text, different.tolist()), MISSING]
    labels = _Labels.of(texts, np.where(codes < 0, len(different), codes))
    counts = sorted(labels.counts.items(), key=lambda item: (-item[1], item[0]))
    if len(counts) <= MAX_VALUES:
        return labels
    kept = {label for label, _ in counts[: MAX_VALUES - 1]}
    rarer = f"{len(counts) - len(kept)} rarer values"
    return _Labels.of([text if text in kept else rarer for text in labels.texts], labels.of_rows)


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
