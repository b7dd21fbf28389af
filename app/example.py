"""An ordinary applicant, made up from the bins of the training rows, for documentation that works when pasted."""

from __future__ import annotations

from app.request_types import bounds
from pipeline.core.data.schema import Feature, Schema
from pipeline.core.drift.frozen_bins import FeatureProfile, Profile


def example_applicant(schema: Schema, profile: Profile) -> dict[str, float | str]:
    """Every feature with the middle edge of its bins, or its most frequent category."""
    return {
        feature.name: _ordinary(feature, bins) for feature, bins in zip(schema.features, profile.features, strict=False)
    }


def _ordinary(feature: Feature, bins: FeatureProfile) -> float | str:
    if feature.kind == "categorical":
        rows = bins.counts[:-1]  # without missing
        return feature.categories[rows.index(max(rows))]
    low, high = bounds(feature)
    middle = bins.edges[len(bins.edges) // 2] if bins.edges else 0.0
    value = min(max(middle, low), high)
    return int(value) if feature.integer else value
