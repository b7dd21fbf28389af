"""How much each feature moves the score."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tabular import feature, schema_of

from lockgate.model.contributions import MAX_ROWS, mean_contributions

SCHEMA = schema_of(feature("a", 0), feature("b", 0), feature("c", 0))


def bundle(seen: list[np.ndarray]) -> Any:
    """A model that explains a row by its own values, the third one ten times as much; the base is 100."""

    def explain(values: np.ndarray) -> np.ndarray:
        seen.append(values)
        return np.column_stack([values[:, 0], values[:, 1], 10 * values[:, 2], np.full(len(values), 100.0)])

    return SimpleNamespace(native=SimpleNamespace(explainer=lambda: explain), schema=SCHEMA)


def table(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"a": np.arange(rows) % 2 * 2.0 - 1, "b": np.zeros(rows), "c": np.where(np.arange(rows) % 2, 0.5, -0.5)}
    )


def test_is_the_mean_of_the_absolute_values_largest_first_without_the_base() -> None:
    found = mean_contributions(bundle([]), table(40))
    assert list(found.items()) == [("c", pytest.approx(5.0)), ("a", 1.0), ("b", 0.0)]


@pytest.mark.parametrize(("rows", "explained"), [(1, 1), (MAX_ROWS, MAX_ROWS), (40 * MAX_ROWS, MAX_ROWS)])
def test_no_more_rows_are_explained_than_a_person_waits_for(rows: int, explained: int) -> None:
    seen: list[np.ndarray] = []
    mean_contributions(bundle(seen), table(rows))
    assert [len(values) for values in seen] == [explained]


def test_without_a_native_form_or_rows_there_are_none() -> None:
    assert mean_contributions(SimpleNamespace(native=None, schema=SCHEMA), table(3)) == {}  # type: ignore[arg-type]
    assert mean_contributions(bundle([]), table(0)) == {}
