"""Rows with known answers, made up from the profile and the schema: whoever loads the bundle can ask it itself.

No applicant's row is among them. Each feature walks through its own list of values (every category; each bin edge and
its neighbours on both sides; extremes; missing), and the lists turn at different places, so that values meet in many
combinations. Then each feature is missing in turn, allowed or not, and all at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lockgate.documents.golden_json import GoldenPredictions, GoldenRow, GoldenValue
from lockgate.documents.profile_json import FeatureProfile, Profile
from lockgate.documents.schema_json import Feature, Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SWEEP = 64
FAR = 1_000_000_000  # beyond ordinary edges, and exact in float32


def golden_rows(schema: Schema, profile: Profile) -> list[GoldenRow]:
    """The rows, by feature name: numbers, category names, or None where the value is missing."""
    bins = {feature.name: feature for feature in profile.features[:-1]}
    probes = [_probes(feature, bins[feature.name]) for feature in schema.features]
    length = max(LEAST_SWEEP, *map(len, probes))
    sweep: list[GoldenRow] = [
        {
            feature.name: values[(number + place) % len(values)]
            for place, (feature, values) in enumerate(zip(schema.features, probes, strict=True))
        }
        for number in range(length)
    ]
    gaps: list[GoldenRow] = [
        {**_present(sweep[number % length], schema, probes), feature.name: None}
        for number, feature in enumerate(schema.features)
    ]
    return [*sweep, *gaps, dict.fromkeys(schema.feature_names)]


def golden_frame(rows: Sequence[GoldenRow], schema: Schema) -> pd.DataFrame:
    """The rows as a table with the schema's columns, for `model_frame`."""
    columns = {}
    for feature in schema.features:
        values = [row[feature.name] for row in rows]
        columns[feature.name] = pd.Series(values, dtype="float64" if feature.kind == "numeric" else "str")
    return pd.DataFrame(columns)


def golden_file(rows: Sequence[GoldenRow], probabilities: NDArray[Any]) -> bytes:
    """The content of `golden.json`: the rows, and the probability that model.onnx gives to each."""
    probability = tuple(float(value) for value in probabilities)
    return GoldenPredictions(rows=tuple(map(dict, rows)), probabilities=probability).to_bytes()


def _probes(feature: Feature, bins: FeatureProfile) -> list[GoldenValue]:
    """The values that a feature walks through; declared bounds hold, and whole numbers stay whole."""
    gap: list[GoldenValue] = [None] if feature.nullable else []
    if feature.kind == "categorical":
        return [*feature.categories, *gap]
    neighbours = _whole_neighbours if feature.integer else _float32_neighbours
    around = {value for edge in bins.edges for value in neighbours(edge)} | {0}
    width = max(max(around) - min(around), 1)
    low = -np.inf if feature.minimum is None else feature.minimum
    high = np.inf if feature.maximum is None else feature.maximum
    ends = {min(around) - width, max(around) + width, -FAR, FAR, low, high}
    inside = sorted(value for value in around | ends if low <= value <= high and np.isfinite(value))
    return [*inside, *gap]


def _whole_neighbours(edge: float) -> set[float]:
    below = math.floor(edge)
    return {below - 1, below, below + 1}


def _float32_neighbours(edge: float) -> set[float]:
    """The edge, and on each side the next number that the model can tell from it."""
    step = max(float(np.spacing(np.float32(abs(edge)))), float(np.finfo(np.float32).tiny))
    return {edge - step, edge, edge + step}


def _present(row: GoldenRow, schema: Schema, probes: Sequence[Sequence[GoldenValue]]) -> dict[str, GoldenValue]:
    """The row with an ordinary value where it has none."""
    return {
        feature.name: row[feature.name] if row[feature.name] is not None else values[len(values) // 2]
        for feature, values in zip(schema.features, probes, strict=True)
    }
