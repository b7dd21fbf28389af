"""Rows without a model behind them: 24 features of many shapes, a calibrated score, and the label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lockgate.config.params import Drift
from lockgate.documents.profile_json import Profile
from lockgate.documents.schema_json import Feature, Schema, TargetClasses
from lockgate.drift.profile import HeldOut, build_profile

TARGET = "default"
# Categories and how steeply their shares fall, as 1 / rank^steepness; the last has values that any reference lacks.
CATEGORIES = {"four": (4, 1.0), "eight": (8, 1.0), "twelve": (12, 2.0), "thirty": (30, 1.5), "rare": (30, 3.0)}
CATEGORIES |= {"long_tail": (200, 2.0)}
MISSING = {"missing_some": 0.05, "missing_many": 0.3, "missing_few": 2e-4}


@dataclass(frozen=True)
class Batch:
    """Features and label as one table, and the score of each row."""

    table: pd.DataFrame
    scores: np.ndarray


def draw_batch(random: np.random.Generator, rows: int) -> Batch:
    """Independent columns, which is the hardest on the rate of false alarms; no two batches differ but by chance."""
    columns: dict[str, object] = {"normal": random.normal(size=rows)}
    columns |= {f"log_normal_{at}": random.lognormal(sigma=1.0 + at / 2, size=rows) for at in range(4)}
    columns |= {f"uniform_{at}": random.random(rows) for at in range(2)}
    columns |= {f"count_{mean:g}": random.poisson(mean, rows) for mean in (0.05, 0.2, 1.0, 4.0)}
    columns["amount"] = np.round(random.lognormal(8.0, 0.6, rows), -2)
    columns["zero_inflated"] = np.where(random.random(rows) < 0.8, 0.0, random.lognormal(size=rows))
    columns |= {f"flag_{share:g}": (random.random(rows) < share).astype(np.int64) for share in (0.5, 0.05)}
    for name, share in MISSING.items():
        columns[name] = np.where(random.random(rows) < share, np.nan, random.normal(size=rows))
    for name, (values, steepness) in CATEGORIES.items():
        weights = 1.0 / np.arange(1, values + 1) ** steepness
        codes = np.searchsorted(np.cumsum(weights / weights.sum()), random.random(rows)).clip(max=values - 1)
        columns[name] = pd.Categorical.from_codes(codes, [f"v{value}" for value in range(values)])
    scores = random.beta(1.5, 5.25, rows)
    columns[TARGET] = (random.random(rows) < scores).astype(np.int8)
    return Batch(pd.DataFrame(columns), scores)


def freeze(batch: Batch) -> Profile:
    """The profile of a reference, as training makes it."""
    return build_profile(batch.table, _schema(batch.table), Drift(), HeldOut(batch.scores, batch.table[TARGET]))


def _schema(reference: pd.DataFrame) -> Schema:
    features = []
    for name in reference.columns.drop(TARGET):
        categorical = name in CATEGORIES
        present = tuple(sorted(reference[name].unique())) if categorical else ()
        kind = "categorical" if categorical else "numeric"
        features.append(Feature(name, kind, False, True, present, None, None, name))
    return Schema(
        target=TARGET,
        classes=TargetClasses(("1",), ("0",)),
        features=tuple(features),
        audit=(),
        id_columns=(),
        time_column=None,
        weight_column=None,
        columns=(),
    )
