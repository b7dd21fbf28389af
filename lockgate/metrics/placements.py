"""Placements: of every row, the share of the other class that its score beats, ties counting half."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lockgate.metrics.scored import Booleans, Floats, checked


@dataclass(frozen=True)
class Placements:
    """Placements of the rows of one class, one line a model, and the rows' weights."""

    values: Floats
    weight: Floats

    @property
    def rows(self) -> int:
        return len(self.weight)

    @property
    def constant(self) -> bool:
        return bool((self.values == self.values[:, :1]).all())

    def means(self) -> Floats:
        """The mean placement of each model: of positives its ROC-AUC."""
        means: Floats = (self.values * self.weight).sum(axis=1) / self.weight.sum()
        return means

    def difference(self) -> Placements:
        """Placements of the first model minus those of the second, as one model's."""
        return Placements(self.values[:1] - self.values[1:], self.weight)

    def covariance(self) -> Floats:
        """Covariance of the mean placements, models by models."""
        centred = (self.values - self.means()[:, None]) * (self.weight / self.weight.sum())
        products = (centred[:, None, :] * centred[None, :, :]).sum(axis=2)
        covariance: Floats = products * (self.rows / (self.rows - 1))
        return covariance


def placements(
    y_true: ArrayLike, y_scores: tuple[ArrayLike, ...], weight: ArrayLike | None
) -> tuple[Placements, Placements, tuple[Floats, ...]]:
    """Placements of positives and negatives, in an order that does not depend on the order of the rows."""
    label, scores, row_weight = checked(y_true, y_scores, weight, probability=False)
    row_weight = np.ones(len(label)) if row_weight is None else row_weight
    order = np.lexsort((row_weight, label, *reversed(scores)))
    label, row_weight, scores = label[order], row_weight[order], tuple(score[order] for score in scores)
    beaten = [_beaten(score, label, row_weight) for score in scores]
    positives = np.stack([share for share, _ in beaten])
    negatives = np.stack([share for _, share in beaten])
    return Placements(positives, row_weight[label]), Placements(negatives, row_weight[~label]), scores


def _beaten(score: Floats, label: Booleans, weight: Floats) -> tuple[Floats, Floats]:
    """For each positive the share of negatives below it, for each negative the share of positives above it."""
    return (
        _share_below(score[label], score[~label], weight[~label]),
        _share_below(-score[~label], -score[label], weight[label]),
    )


def _share_below(score: Floats, others: Floats, weight: Floats) -> Floats:
    order = np.lexsort((weight, others))
    others, mass = others[order], np.concatenate(([0.0], np.cumsum(weight[order])))
    below, up_to = (mass[np.searchsorted(others, score, side=side)] for side in ("left", "right"))
    share: Floats = (below + up_to) / (2 * mass[-1])
    return share
