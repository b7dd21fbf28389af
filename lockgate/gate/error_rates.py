"""How often this gate is wrong on a test set of this size: its operating characteristics, normal approximation."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

from lockgate.config.errors import InputError
from lockgate.documents.gate_json import ErrorRates
from lockgate.gate.checks.champion import is_unchanged, paired
from lockgate.gate.evidence import Evidence, Policy
from lockgate.metrics.delong import paired_difference
from lockgate.metrics.interval import normal_quantile
from lockgate.metrics.power import auc_error, blocked_when, difference_error

STEP = 0.01  # of ROC-AUC: the difference that the rates are about where no margin says which


def measured_error_rates(evidence: Evidence, policy: Policy) -> list[ErrorRates]:
    """For each ROC-AUC rule: the chance to block a good model and to pass one `worse_by` worse.

    Champion: a good model is equal to the champion. Floor: a good model is `worse_by` above the floor, a bad one as
    much below. Both from the standard error measured on these very rows, with their size, prevalence and, for two
    models, correlation. "Block" includes inconclusive.
    """
    found: list[ErrorRates] = []
    floor = policy.evaluate.floors.get("roc_auc")
    interval = evidence.intervals.get("roc_auc")
    if floor is not None and interval is not None and interval.standard_error:
        quantile = normal_quantile(policy.evaluate.confidence) if policy.gate.decide_on == "bound" else 0.0
        error = interval.standard_error
        good, bad = (blocked_when(floor + step, floor, error, quantile) for step in (STEP, -STEP))
        found.append(ErrorRates("floor", "roc_auc", error, None, None, good, 1 - bad, STEP))
    margin = policy.gate.champion.margins.get("roc_auc")
    champion = evidence.champion
    if champion and margin is not None and not evidence.stale and not is_unchanged(evidence.predictions, champion):
        pair = paired(evidence.predictions, champion)
        confidence = policy.gate.champion.confidence
        difference = paired_difference(pair.y_true, pair.challenger, pair.champion, confidence, pair.weight)
        error_of_difference = difference.difference.standard_error
        if error_of_difference:  # 0 where both rank all rows alike, which says nothing of a model that does not
            found.append(champion_error_rates(error_of_difference, difference.score_correlation, margin, confidence))
    return found


def champion_error_rates(error: float, correlation: float | None, margin: float, confidence: float) -> ErrorRates:
    """The rates of the comparison of ROC-AUC, whose difference has this standard error."""
    worse, quantile = margin or STEP, normal_quantile(confidence)
    equal, bad = (blocked_when(truth, -margin, error, quantile) for truth in (0.0, -worse))
    return ErrorRates("champion", "roc_auc", error, correlation, margin, equal, 1 - bad, worse)


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
