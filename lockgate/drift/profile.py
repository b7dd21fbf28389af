"""The frozen profile: made of the training rows, and filled with a current batch's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from lockgate.config.errors import InputError
from lockgate.config.params import Drift
from lockgate.data.stage_rows import FramePartition
from lockgate.documents.profile_json import (
    SCORE,
    Calibration,
    DriftRule,
    FeatureProfile,
    LeafCounts,
    Profile,
    ProfileKind,
)
from lockgate.documents.schema_json import Feature, Kind, Schema
from lockgate.drift.bins import (
    CategoryCounts,
    Codes,
    Floats,
    bin_codes,
    bin_counts,
    bin_edges,
    category_codes,
    category_counts,
    float_values,
)
from lockgate.drift.calibration import fit_calibration
from lockgate.drift.effects import HeldOutScores
from lockgate.drift.feature_pairs import freeze_pairs
from lockgate.drift.label_drift import count_labels
from lockgate.drift.measured_performance import performance_of
from lockgate.drift.segments import freeze_segments
from lockgate.engine.engine import Engine

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class HeldOut:
    """Rows that the model did not learn from: one score a row, and what else is known of the same rows, in the same order.

    `labels` are 0 and 1. `rows` have the features' columns: a frame, or parts whose rows follow each other. `leaves` counts the
    rows in the leaves of the model's trees. `calibration` is that of the scores, where it is known without labels.
    """

    scores: NDArray[Any]
    labels: NDArray[Any] | None = None
    rows: pd.DataFrame | Sequence[FramePartition] | None = None
    leaves: LeafCounts | None = None
    calibration: Calibration | None = None


def build_profile(
    training: pd.DataFrame,
    schema: Schema,
    settings: Drift,
    held_out: HeldOut,
    threads: int = 1,
    *,
    segment_columns: Sequence[str] = (),
) -> Profile:
    """Profile of the schema's features in `training`, and of the score on rows the model did not learn from.

    `segment_columns` name features or audit columns whose values are counted apart; one that `training` lacks is left out. Labels
    are counted where `training` has the target; calibration and performance of the score are kept where the held-out labels are
    known, what the model made of each bin where the held-out rows are, and the training rows' pairs of features where there are
    no leaves. Numbers get at most `settings.bins` quantile bins (more where a value fills several), categories the schema's, in
    its order. The result does not depend on `threads`. Raises ValueError where a training row has a category the schema lacks.
    """

    described = profile_features(training, schema.features, settings.bins, threads)
    kinds: dict[str, Kind] = {one.name: one.kind for one in schema.features}
    kinds |= {one.name: one.kind for one in schema.audit}
    columns = {name: kinds[name] for name in segment_columns if name in kinds and name in training.columns}
    codes = row_codes(described, training, threads) if columns or held_out.leaves is None else []
    segments = freeze_segments(training, columns, described, codes) if columns else ()
    score = _profile_numbers(SCORE, SCORE, np.asarray(held_out.scores, dtype=np.float64), settings.bins)
    labels = count_labels(training[schema.target]) if schema.target in training.columns else None
    calibration = held_out.calibration
    if held_out.labels is not None:
        calibration = fit_calibration(held_out.labels, held_out.scores)
    if held_out.rows is not None:
        scored = HeldOutScores(held_out.scores, calibration, schema.decision)
        rows = held_out.rows if isinstance(held_out.rows, pd.DataFrame) else _gathered(held_out.rows)
        described = with_scores(described, rows, scored, threads)
    return Profile(
        n=len(training),
        labels=labels,
        calibration=calibration,
        performance=None if held_out.labels is None else performance_of(held_out.labels, held_out.scores),
        leaves=held_out.leaves,
        pairs=freeze_pairs(described, codes) if held_out.leaves is None else None,
        segments=segments,
        rule=drift_rule(settings),
        features=(*described, score),
    )


def profile_of_partitions(
    engine: Engine,
    partitions: Sequence[FramePartition],
    schema: Schema,
    settings: Drift,
    held_out: HeldOut,
    *,
    segment_columns: Sequence[str] = (),
) -> Profile:
    """The same profile as `build_profile` makes of all the rows at once, however they are cut into parts."""
    return build_profile(
        _gathered(partitions), schema, settings, held_out, engine.workers, segment_columns=segment_columns
    )


def profile_features(
    table: pd.DataFrame, features: Sequence[Feature], bins: int, threads: int = 1
) -> tuple[FeatureProfile, ...]:
    """The features' bins and their rows in `table`; ValueError where it has a category that a feature lacks."""

    def describe(feature: Feature) -> FeatureProfile:
        column = table[feature.name]
        if feature.kind == "numeric":
            return _profile_numbers(feature.name, "numeric", float_values(column), bins)
        found = category_counts(column, feature.categories)
        if found.unseen:
            raise ValueError(f"column {feature.name}: the schema lacks training value {next(iter(found.unseen))!r}")
        return FeatureProfile(feature.name, "categorical", (), feature.categories, tuple(found.counts.tolist()))

    return tuple(map_threads(describe, features, threads))


def row_codes(features: Sequence[FeatureProfile], table: pd.DataFrame, threads: int = 1) -> list[Codes]:
    """Of each feature the bins that the table's rows are in, an array of shape (rows,); -1 for a value of no bin."""

    def codes(feature: FeatureProfile) -> Codes:
        column = table[feature.name]
        if feature.kind == "categorical":
            return category_codes(column, feature.categories)
        return bin_codes(float_values(column), feature.edges)

    return map_threads(codes, features, threads)


def with_scores(
    features: Sequence[FeatureProfile], rows: pd.DataFrame, scored: HeldOutScores, threads: int = 1
) -> tuple[FeatureProfile, ...]:
    """The features with what the model made of the `rows` in each bin; `scored` has their scores in the same order."""
    codes = row_codes(features, rows, threads)
    return tuple(
        replace(one, scores=scored.by_bin(found, len(one.counts))) for one, found in zip(features, codes, strict=True)
    )


def drift_rule(settings: Drift) -> DriftRule:
    """The part of the settings that says when a change is drift; `bins` shapes the profile itself."""
    return DriftRule(
        effect_floor=settings.effect_floor,
        warn=settings.warn,
        alert=settings.alert,
        family_error=settings.family_error,
        min_rows=settings.min_rows,
        unseen_share=settings.unseen_share,
    )


def rule_differences(rule: DriftRule, trained: DriftRule) -> list[str]:
    """In words, each setting in which `rule`, today's, is not the one that the bundle was trained with."""
    return [
        f"drift.{name} is {getattr(rule, name):g}, the bundle was trained with {getattr(trained, name):g}"
        for name in DriftRule.__struct_fields__
        if getattr(rule, name) != getattr(trained, name)
    ]


def count_rows(
    features: Sequence[FeatureProfile], current: pd.DataFrame, scores: ArrayLike | None, threads: int = 1
) -> list[CategoryCounts]:
    """Rows of the current batch in the features' bins, one after the other; only categories can have unseen values.

    `scores` may be None where no feature is the score. Raises InputError naming the column where it is absent or no
    longer holds numbers.
    """

    def count(feature: FeatureProfile) -> CategoryCounts:
        if feature.kind == SCORE:
            return CategoryCounts(bin_counts(np.asarray(scores, dtype=np.float64), feature.edges), {})
        if feature.name not in current.columns:
            raise InputError(f"the current data has no column {feature.name}, which the model was trained on; add it")
        column = current[feature.name]
        if feature.kind == "categorical":
            return category_counts(column, feature.categories)
        return CategoryCounts(bin_counts(float_values(column), feature.edges), {})

    return map_threads(count, features, threads)


def map_threads(function: Callable[[Item], Made], items: Sequence[Item], threads: int) -> list[Made]:
    """`[function(item) for item in items]`, on threads, for numpy work that lets go of the interpreter's lock."""
    if threads < 2 or len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))


def _gathered(partitions: Sequence[FramePartition]) -> pd.DataFrame:
    return pd.concat([frame for one in partitions for frame in one.frames()], ignore_index=True)


def _profile_numbers(name: str, kind: ProfileKind, values: Floats, bins: int) -> FeatureProfile:
    edges = bin_edges(values, bins)
    return FeatureProfile(name, kind, tuple(edges.tolist()), (), tuple(bin_counts(values, edges).tolist()))
