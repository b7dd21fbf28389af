"""Two features at a time, for a model without trees: what their values have in common, counted in a few groups of bins.

Four groups a feature and thirty features at most keep it small: 435 pairs of up to 16 cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from lockgate.documents.profile_json import FeatureGroups, FeatureProfile, PairCounts
from lockgate.drift.bins import Codes, Counts
from lockgate.drift.cells import CellCounts, ModelBatch, RowCells, Split, row_keys, sample_rows

MAX_GROUPS = 4
MAX_FEATURES = 30
UNSEEN = (
    "what three features or more have in common and no two of them, values within a quarter of the rows, and a change of what "
    "the features mean for the outcome"
)


def telling_features(features: Sequence[FeatureProfile]) -> tuple[FeatureGroups, ...]:
    """The features that tell most of the score, with the groups of their bins, in the profile's order.

    None of them where fewer than two features have more than one group.
    """
    grouped = [(place, FeatureGroups(one.name, _groups(one))) for place, one in enumerate(features)]
    telling = sorted((-_score_spread(features[place]), place, one) for place, one in grouped if one.size > 1)
    kept = sorted((place, one) for _, place, one in telling[:MAX_FEATURES])
    return tuple(one for _, one in kept) if len(kept) > 1 else ()


def count_pairs(features: Sequence[FeatureGroups], codes: Mapping[str, Codes]) -> Counts:
    """The rows in the cells of all pairs, one pair after the other; `codes` are their bins of each feature, others among them."""
    return np.concatenate(_pair_counts(features, _row_groups(features, [codes[one.name] for one in features])))


def frozen_pairs(rows: int, features: tuple[FeatureGroups, ...], counts: Counts) -> PairCounts:
    """The pairs of a profile of so many rows, in whose cells they were counted."""
    sizes = [one.size * other.size for one, other in combinations(features, 2)]
    parts = np.split(counts, np.cumsum(sizes)[:-1])
    return PairCounts(rows, features, tuple(tuple(part.tolist()) for part in parts))


def pair_cells(pairs: PairCounts, codes: Mapping[str, Codes]) -> CellCounts:
    """The rows of a batch in the pairs' cells; `codes` are their bins of each feature, those that are in no pair among them."""
    groups = _row_groups(pairs.features, [codes[one.name] for one in pairs.features])
    sample = sample_rows(row_keys(codes.values()), np.stack(groups, axis=1))
    return CellCounts(np.concatenate(_pair_counts(pairs.features, groups)), sample)


def pair_batch(pairs: PairCounts, rows: int, cells: CellCounts) -> ModelBatch:
    """The current `rows`, counted in the pairs' cells, and what the pairs tell apart."""
    sample, first = [], 0
    groups = cells.sample.drawn()
    for place, other in combinations(range(len(pairs.features)), 2):
        size = pairs.features[other].size
        sample.append(first + groups[:, place] * size + groups[:, other])
        first += pairs.features[place].size * size
    found = RowCells(rows, cells.counts, np.stack(sample, axis=1).astype(np.int32))
    return ModelBatch("pairs", found, lambda: _splits(pairs.features), UNSEEN)


def _groups(feature: FeatureProfile) -> tuple[int, ...]:
    """Each bin's group: bins that follow each other, or, of categories, the frequent ones first, until a quarter is full."""
    bins = range(len(feature.counts))
    order = sorted(bins, key=lambda place: -feature.counts[place]) if feature.kind == "categorical" else bins
    found, numbers = [0] * len(bins), dict[int, int]()
    before = 0
    for place in order:
        rows = feature.counts[place]
        # By where the middle of its rows stands; without a row, with the bin before it.
        if rows:
            quarter = MAX_GROUPS * (2 * before + rows) // (2 * feature.n)
            numbers.setdefault(quarter, len(numbers))
        found[place] = max(len(numbers) - 1, 0)
        before += rows
    return tuple(found)


def _score_spread(feature: FeatureProfile) -> float:
    """How far the mean scores of the bins are apart, up to what all features share; 0 where no held-out row is known."""
    found = feature.scores
    if found is None:
        return 0.0
    return sum(score**2 / rows for rows, score in zip(found.rows, found.score, strict=True) if rows)


def _row_groups(features: Sequence[FeatureGroups], codes: Sequence[Codes]) -> list[Codes]:
    """The group of each row, a feature after the other."""
    return [np.asarray(one.groups, np.int32)[found] for one, found in zip(features, codes, strict=True)]


def _pair_counts(features: Sequence[FeatureGroups], groups: Sequence[Codes]) -> list[Counts]:
    """The rows in each cell of each pair."""
    return [
        np.bincount(of_one * other.size + of_other, minlength=one.size * other.size)
        for (one, of_one), (other, of_other) in combinations(zip(features, groups, strict=True), 2)
    ]


def _splits(features: Sequence[FeatureGroups]) -> list[Split]:
    found, first = list[Split](), 0
    for one, other in combinations(features, 2):
        size = one.size * other.size
        found.append(Split((one.name, other.name), tuple(range(first, first + size + 1))))
        first += size
    return found
