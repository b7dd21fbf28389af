"""How many test rows a comparison needs: the champion rule's error rates turned round."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

from pipeline.core.common.errors import InputError
from pipeline.core.gate.operating import STEP
from pipeline.core.statistics.interval import normal_quantile
from pipeline.core.statistics.power import auc_error, blocked_when, difference_error

__all__ = ["STEP", "Assumptions", "Needed", "floor_rate", "rates_of", "rows_needed"]


@dataclass(frozen=True)
class Assumptions:
    """Two equally good models: their ROC-AUC, the share of positives, the rank correlation of their scores, the margin."""

    auc: float
    prevalence: float
    correlation: float
    margin: float


@dataclass(frozen=True)
class Needed:
    """Test rows, and how many of them are positive."""

    rows: int
    positives: int


def rows_needed(assumed: Assumptions, block_equal: float, pass_worse: float) -> Needed:
    """The fewest rows at which an equal model is blocked, and one worse by the margin passes, no more often than this.

    The margin has to span the quantiles of both errors: margin = (z(block_equal) + z(pass_worse)) * standard error.
    """
    normal = NormalDist()
    span = normal.inv_cdf(1 - block_equal) + normal.inv_cdf(1 - pass_worse)
    if span <= 0:
        raise InputError(
            "--block-equal and --pass-worse together are 1 or more, which no rows are needed for; lower them"
        )
    one_row = difference_error(assumed.auc, assumed.prevalence, 1, assumed.correlation)
    rows = ceil((span * one_row / assumed.margin) ** 2)
    return Needed(rows, round(rows * assumed.prevalence))


def rates_of(assumed: Assumptions, rows: int, confidence: float) -> tuple[float, float]:
    """The chances to block an equal model and to pass one worse by the margin, for a two-sided confidence."""
    error = difference_error(assumed.auc, assumed.prevalence, rows, assumed.correlation)
    quantile = normal_quantile(confidence)
    blocks, worse = (blocked_when(truth, -assumed.margin, error, quantile) for truth in (0.0, -assumed.margin))
    return blocks, 1 - worse


def floor_rate(assumed: Assumptions, rows: int) -> float:
    """The chance that a floor STEP below the model's true ROC-AUC blocks it, decided on the estimate."""
    return blocked_when(STEP, 0.0, auc_error(assumed.auc, assumed.prevalence, rows), 0.0)
