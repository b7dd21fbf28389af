"""How much each feature moves the score: its mean absolute Shapley value over rows, on the log-odds scale."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lockgate.model.bundle import Bundle
from lockgate.model.features import code_matrix, model_frame

MAX_ROWS = 500  # spread evenly over those there are; an explanation of a row takes about a millisecond


def mean_contributions(bundle: Bundle, rows: pd.DataFrame) -> dict[str, float]:
    """By feature, the largest first; empty where the bundle has no native form, which alone explains, or there are no rows."""
    if bundle.native is None or not len(rows):
        return {}
    places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MAX_ROWS)).astype(int))
    values = bundle.native.explainer()(code_matrix(model_frame(rows.iloc[places], bundle.schema)))
    means = np.abs(values[:, :-1]).mean(axis=0)
    found = zip(bundle.schema.feature_names, means.tolist(), strict=True)
    return dict(sorted(found, key=lambda one: (-one[1], one[0])))
