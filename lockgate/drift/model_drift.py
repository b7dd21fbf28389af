"""Whether rows go through the model otherwise than they did: the moves that no single feature need show.

Each tree of a model divides the rows among its leaves. With a_l of n reference rows and b_l of m current rows in leaf l,
and w_l one over the leaf's share of both together, the distance of a tree is a two-sample chi-square's, near a PSI where it is
small:

    sum over leaves of w_l (b_l / m - a_l / n)^2

and that of the model is the mean over its trees. A model without trees has pairs of features in the place of trees, and in
the place of leaves what a row has of both (`feature_pairs`): cells, in either case.

How large the distance is without drift: all trees see the same rows, so it is far from a chi-square. But it is the squared
distance between the means of two samples under the kernel k(x, y) = sum of w_l over the cells that rows x and y share, as
in Gretton, Borgwardt, Rasch, Schoelkopf & Smola (2012), J. Machine Learning Research 13, 723-773. Without the pairs of a row
and itself, which the counts alone give, its mean is 0 exactly, since the weights are those of both samples together. Its
variance and its third moment follow from those of k between two and three different rows, centred, and these come from
up to a thousand of the current rows, which are at hand. So nothing is frozen but counts, and no reference row is kept. As of
a PSI, a shifted gamma with these moments gives the tail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.documents.drift_json import DriftStatus, ModelDrift
from lockgate.documents.profile_json import DriftRule
from lockgate.drift.bins import Counts, Floats
from lockgate.drift.cells import Method, ModelBatch, RowCells, Split
from lockgate.drift.drift_rule import LEAST_SKEWNESS, NullDistribution
from lockgate.drift.family_error import MODEL

# A rarer cell weighs as much as one of this share: what a handful of rows do decides nothing.
LEAST_SHARE = 0.002
# Weights are multiples of it, so that sums of them are exact and the same on every machine.
WEIGHT_UNIT = 2.0**-10
# Of the smallest PSI that counts of a feature, since most trees do not ask about what moved.
FLOOR_SHARE = 0.05
NAMED_FEATURES = 5  # in a reason
MAX_FEATURES = 20
LEAST_PART = 0.05  # of the whole move, that a feature is named for
LEAST_ROWS = 3  # of a sample whose third moment is asked for


@dataclass(frozen=True)
class Distance:
    """How far two samples are apart, a partition on average: `excess` is `value` without what chance adds on average."""

    value: float
    excess: float
    chance: NullDistribution


def distance(reference: Counts, n: int, current: RowCells) -> Distance:
    """The distance of `n` reference rows, counted in each cell, from at least three current rows; `n` is at least three."""
    m, partitions = current.rows, current.sample.shape[1]
    before, now = reference.astype(np.float64), current.counts.astype(np.float64)
    shares = (before + now) / (n + m)
    weights = np.round(1.0 / np.maximum(shares, LEAST_SHARE) / WEIGHT_UNIT) * WEIGHT_UNIT
    value = float((weights * (now / m - before / n) ** 2).sum())
    within = now * (now - 1.0) / (m * (m - 1.0)) + before * (before - 1.0) / (n * (n - 1.0))
    excess = float((weights * (within - 2.0 * (now / m) * (before / n))).sum())
    kernel = _centred_kernel(current.sample, weights, shares)
    chance = _null_distribution(kernel, n, m)
    scaled = NullDistribution(0.0, chance.deviation / partitions, chance.skewness)
    return Distance(value / partitions, excess / partitions, scaled)


def model_drift(reference: Counts, n: int, batch: ModelBatch, rule: DriftRule) -> ModelDrift:
    """The entry `model_drift` of `drift.json`; `reference` counts `n` rows in the cells of the batch.

    It warns where the distance is larger than chance explains and counts. It never alerts: that rows are spread otherwise is a
    reason to look, and what that does is said by the score, by the performance and its estimate, which have their own alerts.
    """
    m = batch.cells.rows
    if min(n, m) < max(rule.min_rows, LEAST_ROWS):
        side, few = ("current", m) if m < n else ("reference", n)
        reason = f"only {few:,} {side} rows, at least {rule.min_rows:,} are needed (drift.min_rows)"
        return _entry(batch, n, status="insufficient-data", reason=reason)
    found = distance(reference, n, batch.cells)
    floor = rule.effect_floor * FLOOR_SHARE
    by_chance = found.chance.threshold(rule.family_error * MODEL)
    moved = found.excess > max(by_chance, floor)
    features = _moved_features(reference, batch.cells.counts, batch.splits()) if moved else ()
    expected = found.value - found.excess
    return _entry(
        batch,
        n,
        statistic=found.value,
        expected=expected,
        limit=expected + max(by_chance, floor),
        p_value=found.chance.p_value(found.excess),
        status="warn" if moved else "stable",
        reason=_reason(batch.method, found, by_chance, floor, features),
        features=features,
    )


def _entry(
    batch: ModelBatch,
    n: int,
    *,
    status: DriftStatus,
    reason: str,
    statistic: float = 0.0,
    expected: float = 0.0,
    limit: float = 0.0,
    p_value: float = 1.0,
    features: tuple[str, ...] = (),
) -> ModelDrift:
    return ModelDrift(
        method=batch.method,
        n_reference=n,
        statistic=statistic,
        expected=expected,
        limit=limit,
        p_value=p_value,
        status=status,
        reason=reason,
        features=features,
        unseen=batch.unseen,
    )


def _centred_kernel(sample: NDArray[np.int32], weights: Floats, shares: Floats) -> Floats:
    """The kernel between the rows of a sample, less each row's mean over both samples; 0 between a row and itself."""
    rows, partitions = sample.shape
    places = np.arange(0, rows * partitions + 1, partitions)
    cells = sample.ravel()
    one_hot = sparse_matrix((np.ones(len(cells)), cells, places), (rows, len(weights)))
    weighted = sparse_matrix((weights[cells], cells, places), (rows, len(weights)))
    kernel: Floats = (weighted @ one_hot.T).toarray()
    means = np.round((weights * shares)[sample].sum(axis=1) / WEIGHT_UNIT) * WEIGHT_UNIT
    mean = round(float((weights * shares**2).sum()) / WEIGHT_UNIT) * WEIGHT_UNIT
    kernel -= means[:, None]
    kernel -= means[None, :] - mean
    np.fill_diagonal(kernel, 0.0)
    return kernel


def _null_distribution(kernel: Floats, n: int, m: int) -> NullDistribution:
    """Of the sum of the centred kernel over pairs of different rows, as often as `distance` counts them.

    Two current rows count 2 / (m (m - 1)), two reference rows 2 / (n (n - 1)), one of each -2 / (n m). What depends on two and
    on three rows is uncorrelated unless they are the same, so the moments are sums of products of these.
    """
    rows = len(kernel)
    pairs, triples = rows * (rows - 1.0), rows * (rows - 1.0) * (rows - 2.0)
    squares = kernel * kernel
    second = float(squares.sum()) / pairs
    third = float((squares * kernel).sum()) / pairs
    circle = float((kernel * (kernel @ kernel)).sum()) / triples
    within_m, within_n = m * (m - 1.0), n * (n - 1.0)
    variance = second * (2.0 / within_m + 2.0 / within_n + 4.0 / (n * m))
    of_two = 4.0 / within_m**2 + 4.0 / within_n**2 - 8.0 / (n * m) ** 2
    of_three = 8.0 * (m - 2.0) / within_m**2 + 8.0 * (n - 2.0) / within_n**2 + 24.0 / (n * m**2) + 24.0 / (m * n**2)
    deviation = float(np.sqrt(variance))
    skewness = (third * of_two + circle * of_three) / deviation**3 if deviation > 0.0 else 0.0
    return NullDistribution(0.0, deviation, max(skewness, LEAST_SKEWNESS))


def _moved_features(before: Counts, now: Counts, splits: Sequence[Split]) -> tuple[str, ...]:
    """The features at whose questions the answers changed beyond chance, most first.

    Only rows that come to a question are compared, so that a change is put down to the question and not to those before it.
    """
    sums = [np.append(0, np.cumsum(counts)) for counts in (before, now)]
    moves: defaultdict[str, float] = defaultdict(float)
    for split in splits:
        reference, current = (np.diff(total[list(split.bounds)]).astype(np.float64) for total in sums)
        n, m = reference.sum(), current.sum()
        answers = reference + current
        if n and m:
            there = answers > 0
            parts = (current / m - reference / n)[there] ** 2 / answers[there]
            move = float(parts.sum()) * n * m - (float(there.sum()) - 1.0)
            for name in split.features:
                moves[name] += move
    whole = sum(move for move in moves.values() if move > 0.0)
    ranked = sorted(((-move, name) for name, move in moves.items() if move >= LEAST_PART * whole > 0.0))
    return tuple(name for _, name in ranked[:MAX_FEATURES])


def _reason(method: Method, found: Distance, by_chance: float, floor: float, features: Sequence[str]) -> str:
    expected = found.value - found.excess
    limit, apart = expected + by_chance, f"rows are {found.value:.4f} apart"
    where = f"in the leaves of the model's trees {apart}" if method == "leaves" else f"two features at a time {apart}"
    if found.excess > max(by_chance, floor):
        what = "Rows go through the model" if method == "leaves" else "Features belong together"
        asked = f"; most at questions about {_listed(features)}" if features else ""
        return f"{what} otherwise than before: {where}, {expected:.4f} on average and up to {limit:.4f} without drift{asked}"
    where = where[0].upper() + where[1:]
    if found.excess > by_chance:
        return (
            f"{where}, more than the {limit:.4f} of chance and less than counts ({floor:g} above the average of chance)"
        )
    return f"{where}, as unchanged rows also are ({expected:.4f} on average, up to {limit:.4f})"


def _listed(features: Sequence[str]) -> str:
    named = [f"`{name}`" for name in features[:NAMED_FEATURES]]
    if len(features) > len(named):
        return f"{', '.join(named)} and {len(features) - len(named)} more"
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def sparse_matrix(entries: Any, shape: tuple[int, int]) -> Any:
    """SciPy's rows of few entries; imported when it is needed, as in `drift_rule`."""
    import scipy.sparse

    return scipy.sparse.csr_matrix(entries, shape=shape)
