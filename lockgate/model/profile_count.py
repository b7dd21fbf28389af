"""The rows of a table in the bins of a bundle's profile: what many machines count apart, and `merge_profiles` adds up."""

from __future__ import annotations

from functools import partial

import pandas as pd
from msgspec.structs import replace

from lockgate.config.errors import InputError
from lockgate.data.dataset import conform_current
from lockgate.data.names import quoted
from lockgate.data.partitions import Partition, PartitionedTable
from lockgate.documents.profile_json import FeatureProfile, PairCounts, Profile, Segments
from lockgate.drift.bins import CategoryCounts
from lockgate.drift.effects import HeldOutScores
from lockgate.drift.feature_pairs import count_pairs, frozen_pairs
from lockgate.drift.label_drift import count_labels
from lockgate.drift.profile import count_rows, row_codes, with_scores
from lockgate.drift.profile_sum import merge_profiles
from lockgate.drift.segments import count_segments
from lockgate.engine.engine import Engine
from lockgate.model.bundle import Bundle
from lockgate.model.features import model_frame
from lockgate.model.leaves import TreeLeaves, bundle_leaves
from lockgate.model.scoring import score_frame


def count_profile(engine: Engine, table: PartitionedTable, bundle: Bundle) -> Profile:
    """The rows of `table`, which has the columns of the bundle's schema, counted as the bundle's profile counts its own.

    Bins, rule, calibration and performance are the bundle's; its model scores the rows. However the table is cut into parts, and
    its rows are given to several tables whose profiles are merged, what comes out is the same.
    Raises InputError where the table has no rows, lacks a column that the profile counts, or has a category without a bin.
    """
    counted: Profile | None = None
    for part in engine.map(partial(_count_part, bundle=bundle, name=table.name), table.partitions):
        counted = _sum(counted, part)
    if counted is None:
        raise InputError(f"{table.name} has a header and no rows; it needs rows")
    return counted


def _count_part(partition: Partition, bundle: Bundle, name: str) -> Profile | None:
    trees = bundle_leaves(bundle)
    counted: Profile | None = None
    for batch in partition.batches():
        if batch.columns.num_rows:
            counted = _sum(counted, _count_frame(conform_current(batch, bundle.schema), bundle, trees, name))
    return counted


def _sum(one: Profile | None, other: Profile | None) -> Profile | None:
    return merge_profiles(one, other) if one is not None and other is not None else one or other


def _count_frame(rows: pd.DataFrame, bundle: Bundle, trees: TreeLeaves | None, name: str) -> Profile:
    schema, profile = bundle.schema, bundle.profile
    features = model_frame(rows, schema)
    scores = score_frame(bundle, features)
    counts = count_rows(profile.features, rows, scores)
    counted = tuple(map(partial(_counted, name=name), profile.features, counts))
    plain = with_scores(counted[:-1], rows, HeldOutScores(scores, profile.calibration, schema.decision))
    codes = row_codes(plain, rows)
    widths = [len(one.counts) for one in plain]

    def segments(one: Segments) -> Segments:
        if one.column not in rows.columns:
            raise InputError(f"{name} has no column {one.column}, whose values the profile counts apart; add it")
        found = count_segments(one, rows[one.column], codes, widths)
        return replace(one, rows=tuple(found.rows.tolist()), counts=found.by_value)

    def pairs(one: PairCounts) -> PairCounts:
        named = dict(zip([feature.name for feature in plain], codes, strict=True))
        return frozen_pairs(len(rows), one.features, count_pairs(one.features, named))

    return replace(
        profile,
        n=len(rows),
        labels=count_labels(rows[schema.target]) if schema.target in rows.columns else None,
        leaves=trees.count(features) if trees else None,
        pairs=None if profile.pairs is None else pairs(profile.pairs),
        segments=tuple(map(segments, profile.segments)),
        features=(*plain, counted[-1]),
    )


def _counted(feature: FeatureProfile, found: CategoryCounts, name: str) -> FeatureProfile:
    if found.unseen:
        value = quoted(next(iter(found.unseen)))
        raise InputError(
            f"{name}: column {feature.name} has {value} in {found.unseen_rows:,} rows, of which the profile has no bin; train with "
            "rows that have it, or empty these cells"
        )
    return replace(feature, counts=tuple(found.counts.tolist()), scores=None)
