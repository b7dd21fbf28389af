"""Random tables of any shape: numbers and categories, some of them missing, and a label that depends on all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lockgate.documents.schema_json import Feature, Schema, TargetClasses
from lockgate.model.features import model_frame
from lockgate.model.protocol import Sample

ROWS = 600


def feature(name: str, levels: int, **more: Any) -> Feature:
    """A numeric feature where `levels` is 0, else one with that many categories."""
    values = {"integer": False, "nullable": True, "minimum": None, "maximum": None, **more}
    categories = tuple(sorted(f"{name}{level}" for level in range(levels)))
    return Feature(name, "categorical" if levels else "numeric", categories=categories, text=name, **values)


def schema_of(*features: Feature) -> Schema:
    return Schema(
        target="y",
        classes=TargetClasses(("1",), ("0",)),
        features=features,
        audit=(),
        id_columns=(),
        time_column=None,
        weight_column=None,
        columns=(),
    )


def table_of(schema: Schema, rows: int, seed: int, gaps: float) -> pd.DataFrame:
    """Random rows: values that matter, values that are missing, and every category where the rows suffice."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for one in schema.features:
        if one.kind == "numeric":
            values = random.normal(size=rows).round(2)
            columns[one.name] = pd.Series(np.where(random.random(rows) < gaps, np.nan, values))
        else:
            codes = random.integers(0, len(one.categories), rows)
            names = np.array(one.categories, dtype=object)[codes]
            columns[one.name] = pd.Series(np.where(random.random(rows) < gaps, None, names), dtype="str")
    table = pd.DataFrame(columns)
    effects = [
        random.normal(size=len(one.categories) + 1)[pd.Categorical(table[one.name], one.categories).codes]
        if one.categories
        else table[one.name].fillna(1.5).to_numpy()
        for one in schema.features
    ]
    table["y"] = (np.sum(effects, axis=0) + random.normal(size=rows) > 0).astype("int8")
    return table


def samples_of(schema: Schema, table: pd.DataFrame) -> tuple[Sample, Sample]:
    """Three quarters of the rows to fit on, the rest to validate with."""
    cut = len(table) * 3 // 4
    training, validation = (
        Sample(model_frame(part, schema), part["y"].to_numpy(), np.ones(len(part)))
        for part in (table[:cut], table[cut:])
    )
    return training, validation


def has_both_classes(*samples: Sample) -> bool:
    """Whether a model can be fitted to the samples."""
    return all(len(set(sample.labels)) == 2 for sample in samples)
