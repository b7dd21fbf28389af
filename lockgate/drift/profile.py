"""The frozen profile: made of the training rows, and filled with a current batch's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from lockgate.config.errors import InputError
from lockgate.config.params import Drift
from lockgate.data.stage_rows import CountedPartition, FrameInMemory, FramePartition
from lockgate.documents.profile_json import (
    SCORE,
    BinScores,
    Calibration,
    DriftRule,
    FeatureGroups,
    FeatureProfile,
    LeafCounts,
    Profile,
    interval_names,
)
from lockgate.documents.schema_json import DecisionRule, Feature, Kind, Schema
from lockgate.drift.bins import (
    CategoryCounts,
    Codes,
    Counts,
    Floats,
    bin_codes,
    bin_counts,
    bin_edges,
    category_codes,
    category_counts,
    float_values,
)
from lockgate.drift.calibration import fit_calibration
from lockgate.drift.column_counts import ColumnCounts, NumberColumn, TextColumn, count_columns
from lockgate.drift.effects import HeldOutScores, merged_scores
from lockgate.drift.feature_pairs import count_pairs, frozen_pairs, telling_features
from lockgate.drift.measured_performance import performance_of
from lockgate.drift.segments import (
    BANDS,
    ColumnValues,
    SegmentCounts,
    chosen_values,
    count_segments,
    frozen_segments,
)
from lockgate.engine.engine import Engine, LocalEngine

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
    parts = [FrameInMemory(training)]
    return _profile(LocalEngine(), parts, schema, settings, held_out, segment_columns, threads)


def profile_of_partitions(
    engine: Engine,
    partitions: Sequence[FramePartition],
    schema: Schema,
    settings: Drift,
    held_out: HeldOut,
    *,
    segment_columns: Sequence[str] = (),
) -> Profile:
    """The same profile as `build_profile` makes of all the rows at once, however they are cut into parts.

    The rows are read three or four times. What is in memory are the held-out scores and labels, and a few megabytes of counts for
    each column. Raises InputError where the rows change meanwhile.
    """
    return _profile(engine, partitions, schema, settings, held_out, segment_columns)


def profile_features(
    table: pd.DataFrame, features: Sequence[Feature], bins: int, threads: int = 1
) -> tuple[FeatureProfile, ...]:
    """The features' bins and their rows in `table`; ValueError where it has a category that a feature lacks."""
    numbers = {one.name: (bins,) for one in features if one.kind == "numeric"}
    categories = {one.name: one.categories for one in features if one.kind == "categorical"}
    counted = count_columns(LocalEngine(), [FrameInMemory(table)], numbers, categories, threads=threads)
    return _described(counted, features, bins, threads)


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
    found = _bin_scores(features, rows, scored, threads)
    return tuple(replace(one, scores=scores) for one, scores in zip(features, found, strict=True))


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


def _profile(
    engine: Engine,
    partitions: Sequence[FramePartition],
    schema: Schema,
    settings: Drift,
    held_out: HeldOut,
    segment_columns: Sequence[str],
    threads: int = 1,
) -> Profile:
    kinds: dict[str, Kind] = {one.name: one.kind for one in schema.features}
    kinds |= {one.name: one.kind for one in schema.audit}
    apart = {name: kinds[name] for name in segment_columns if name in kinds}
    numbers = {one.name: [settings.bins] for one in schema.features if one.kind == "numeric"}
    categories = {one.name: one.categories for one in schema.features if one.kind == "categorical"}
    for name, kind in apart.items():
        if kind == "numeric":
            numbers.setdefault(name, []).append(BANDS)
        else:
            categories.setdefault(name, ())
    counted = count_columns(engine, partitions, numbers, categories, schema.target, threads)
    described = _described(counted, schema.features, settings.bins, threads)
    calibration = held_out.calibration
    if held_out.labels is not None:
        calibration = fit_calibration(held_out.labels, held_out.scores)
    if held_out.rows is not None:
        described = _scored(engine, described, held_out, calibration, schema.decision, threads)
    columns = [
        _number_bands(name, counted.numbers[name])
        if kind == "numeric"
        else _text_values(name, counted.categories[name])
        for name, kind in apart.items()
        if name in counted.numbers or name in counted.categories
    ]
    plan = _CellPlan(
        described,
        chosen_values(columns, described),
        telling_features(described) if held_out.leaves is None else (),
        threads,
    )
    cells = _counted_cells(engine, partitions, plan)
    frozen = zip(columns, plan.segments, cells.segments, strict=False)
    return Profile(
        n=counted.rows,
        labels=counted.labels,
        calibration=calibration,
        performance=None if held_out.labels is None else performance_of(held_out.labels, held_out.scores),
        leaves=held_out.leaves,
        pairs=None if cells.pairs is None else frozen_pairs(counted.rows, plan.pairs, cells.pairs),
        segments=tuple(
            frozen_segments(chosen, sum(rows > 0 for rows in column.rows), found) for column, chosen, found in frozen
        ),
        rule=drift_rule(settings),
        features=(*described, _score_profile(held_out.scores, settings.bins)),
    )


def _described(
    counted: ColumnCounts, features: Sequence[Feature], bins: int, threads: int
) -> tuple[FeatureProfile, ...]:
    def describe(feature: Feature) -> FeatureProfile:
        if feature.kind == "numeric":
            column = counted.numbers[feature.name]
            edges = column.edges(bins)
            counts = column.bin_counts(edges)
            return FeatureProfile(feature.name, "numeric", tuple(edges.tolist()), (), tuple(counts.tolist()))
        found = counted.categories[feature.name].found
        if found.unseen:
            raise ValueError(f"column {feature.name}: the schema lacks training value {next(iter(found.unseen))!r}")
        return FeatureProfile(feature.name, "categorical", (), feature.categories, tuple(found.counts.tolist()))

    return tuple(map_threads(describe, features, threads))


def _score_profile(scores: ArrayLike, bins: int) -> FeatureProfile:
    values = np.asarray(scores, dtype=np.float64)
    edges = bin_edges(values, bins)
    return FeatureProfile(SCORE, SCORE, tuple(edges.tolist()), (), tuple(bin_counts(values, edges).tolist()))


def _number_bands(name: str, column: NumberColumn) -> ColumnValues:
    edges = column.edges(BANDS)
    bands = tuple(edges.tolist())
    return ColumnValues(name, "numeric", bands, interval_names(bands), column.bin_counts(edges)[:-1].tolist())


def _text_values(name: str, column: TextColumn) -> ColumnValues:
    values = dict(sorted(column.values.items()))
    return ColumnValues(name, "categorical", (), tuple(values), tuple(values.values()))


@dataclass(frozen=True)
class _CellPlan:
    """What the rows are counted in once the features' bins are known."""

    features: tuple[FeatureProfile, ...]
    segments: tuple[ColumnValues, ...]
    pairs: tuple[FeatureGroups, ...]
    threads: int


@dataclass(frozen=True)
class _Cells:
    segments: tuple[SegmentCounts, ...]
    pairs: Counts | None


def _counted_cells(engine: Engine, partitions: Sequence[FramePartition], plan: _CellPlan) -> _Cells:
    if not plan.segments and not plan.pairs:
        return _Cells((), None)
    found = _summed_cells(engine.map(partial(_count_part, plan=plan), partitions))
    if found is None:
        raise InputError("there are no training rows; bring some")
    return found


def _count_part(partition: FramePartition, plan: _CellPlan) -> _Cells | None:
    return _summed_cells(_count_cells(frame, plan) for frame in partition.frames())


def _count_cells(frame: pd.DataFrame, plan: _CellPlan) -> _Cells:
    codes = row_codes(plan.features, frame, plan.threads)
    widths = [len(one.counts) for one in plan.features]
    named = dict(zip([one.name for one in plan.features], codes, strict=True))
    return _Cells(
        tuple(count_segments(one, frame[one.column], codes, widths) for one in plan.segments),
        count_pairs(plan.pairs, named) if plan.pairs else None,
    )


def _summed_cells(parts: Iterable[_Cells | None]) -> _Cells | None:
    together: _Cells | None = None
    for part in parts:
        if together is None or part is None:
            together = part if together is None else together
            continue
        segments = tuple(one + more for one, more in zip(together.segments, part.segments, strict=True))
        pairs = None if together.pairs is None or part.pairs is None else together.pairs + part.pairs
        together = _Cells(segments, pairs)
    return together


def _scored(
    engine: Engine,
    features: Sequence[FeatureProfile],
    held_out: HeldOut,
    calibration: Calibration | None,
    decision: DecisionRule | None,
    threads: int,
) -> tuple[FeatureProfile, ...]:
    """The features with what the model made of the held-out rows in each bin."""
    parts = [FrameInMemory(held_out.rows)] if isinstance(held_out.rows, pd.DataFrame) else held_out.rows or ()
    ends = np.cumsum([0, *engine.map(_rows, parts)])
    if ends[-1] != len(held_out.scores):
        raise ValueError(f"{len(held_out.scores):,} scores are not those of {ends[-1]:,} held-out rows")
    items = (
        _ScoredPart(one, np.asarray(held_out.scores[first:end], dtype=np.float64))
        for one, first, end in zip(parts, ends, ends[1:], strict=False)
    )
    score = partial(_score_part, features=features, calibration=calibration, decision=decision, threads=threads)
    found = list[BinScores]()
    for part in engine.map(score, items):
        found = _merged_bin_scores(found, part)
    return tuple(replace(one, scores=scores) for one, scores in zip(features, found, strict=True))


@dataclass(frozen=True)
class _ScoredPart:
    partition: FramePartition
    scores: Floats


def _rows(partition: FramePartition) -> int:
    if isinstance(partition, CountedPartition):
        return partition.rows
    return sum(len(frame) for frame in partition.frames())


def _score_part(
    part: _ScoredPart,
    features: Sequence[FeatureProfile],
    calibration: Calibration | None,
    decision: DecisionRule | None,
    threads: int,
) -> list[BinScores]:
    found, first = list[BinScores](), 0
    for frame in part.partition.frames():
        scored = HeldOutScores(part.scores[first : first + len(frame)], calibration, decision)
        more = _bin_scores(features, frame, scored, threads)
        found = _merged_bin_scores(found, more)
        first += len(frame)
    return found


def _merged_bin_scores(one: list[BinScores], other: list[BinScores]) -> list[BinScores]:
    """Both together, a feature after the other; a part may have no rows, and then nothing of them."""
    return [merged_scores(pair) for pair in zip(one, other, strict=True)] if one and other else one or other


def _bin_scores(
    features: Sequence[FeatureProfile], rows: pd.DataFrame, scored: HeldOutScores, threads: int
) -> list[BinScores]:
    codes = row_codes(features, rows, threads)
    return [scored.by_bin(found, len(one.counts)) for one, found in zip(features, codes, strict=True)]
