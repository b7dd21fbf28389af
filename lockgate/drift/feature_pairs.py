"""Two features at a time, for a model without trees: what their values have in common, counted in a few groups of bins.

Four groups a feature and thirty features at most keep it small: 435 pairs of up to 16 cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from lockgate.documents.profile_json import FeatureGroups, FeatureProfile, PairCounts
from lockgate.drift.bins import Codes
from lockgate.drift.cells import ModelBatch, RowCells, Split, row_keys, sample_places

MAX_GROUPS = 4
MAX_FEATURES = 30
UNSEEN = (
    "what three features or more have in common and no two of them, values within a quarter of the rows, and a change of what "
    "the features mean for the outcome"
)


def freeze_pairs(features: Sequence[FeatureProfile], codes: Sequence[Codes]) -> PairCounts | None:
    """The pairs of the features that tell most of the score; `codes` are the bins of each feature's rows.

    None where fewer than two features have more than one group.
    """
    grouped = [(place, FeatureGroups(one.name, _groups(one))) for place, one in enumerate(features)]
    telling = sorted((-_score_spread(features[place]), place, one) for place, one in grouped if one.size > 1)
    kept = sorted((place, one) for _, place, one in telling[:MAX_FEATURES])
    if len(kept) < 2:
        return None
    chosen = tuple(one for _, one in kept)
    cells = _cells(chosen, [codes[place] for place, _ in kept])
    sizes = [one.size * other.size for one, other in combinations(chosen, 2)]
    parts = np.split(cells.counts, np.cumsum(sizes)[:-1])
    return PairCounts(cells.rows, chosen, tuple(tuple(part.tolist()) for part in parts))


def pair_batch(pairs: PairCounts, codes: Sequence[Codes]) -> ModelBatch:
    """The current rows in the pairs' cells; `codes` are their bins of each of the pairs' features."""
    return ModelBatch("pairs", _cells(pairs.features, codes), lambda: _splits(pairs.features), UNSEEN)


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


def _cells(features: Sequence[FeatureGroups], codes: Sequence[Codes]) -> RowCells:
    # A value of no bin, whose code is -1, is in the last group, as the model takes it for missing.
    groups = [np.asarray(one.groups, np.int32)[found] for one, found in zip(features, codes, strict=True)]
    rows, first = len(groups[0]), 0
    places = sample_places(row_keys(groups))
    counts, sample = [], []
    for (one, of_one), (other, of_other) in combinations(zip(features, groups, strict=True), 2):
        cells = of_one * other.size + of_other
        counts.append(np.bincount(cells, minlength=one.size * other.size))
        sample.append(cells[places] + first)
        first += one.size * other.size
    return RowCells(rows, np.concatenate(counts).astype(np.int64), np.stack(sample, axis=1).astype(np.int32))


def _splits(features: Sequence[FeatureGroups]) -> list[Split]:
    found, first = list[Split](), 0
    for one, other in combinations(features, 2):
        size = one.size * other.size
        found.append(Split((one.name, other.name), tuple(range(first, first + size + 1))))
        first += size
    return found
