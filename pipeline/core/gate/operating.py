"""How often this gate is wrong on a test set of this size: its operating characteristics, normal approximation."""

from __future__ import annotations

from typing import Any

from pipeline.core.gate.champion_checks import paired
from pipeline.core.gate.evidence import Evidence, Policy
from pipeline.core.statistics.delong import paired_difference
from pipeline.core.statistics.interval import normal_quantile
from pipeline.core.statistics.power import blocked_when

STEP = 0.01  # of ROC-AUC: the difference that the rates are about where no margin says which


def operating_characteristics(evidence: Evidence, policy: Policy) -> list[dict[str, Any]]:
    """For each ROC-AUC rule: the chance to block a good model and to pass one `worse_by` worse.

    Champion: a good model is equal to the champion. Floor: a good model is `worse_by` above the floor, a bad one as
    much below. Both from the standard error measured on these very rows, with their size, prevalence and, for two
    models, correlation. "Block" includes inconclusive.
    """
    found = []
    floor = policy.evaluate.floors.get("roc_auc")
    interval = evidence.intervals.get("roc_auc")
    if floor is not None and interval is not None and interval.standard_error:
        quantile = normal_quantile(policy.evaluate.confidence) if policy.gate.decide_on == "bound" else 0.0
        error = interval.standard_error
        good, bad = (blocked_when(floor + step, floor, error, quantile) for step in (STEP, -STEP))
        found.append(_record("floor", error, None, None, STEP, good, 1 - bad))
    margin = policy.gate.champion.margins.get("roc_auc")
    if evidence.champion is not None and margin is not None and not evidence.stale:
        rule = policy.gate.champion
        pair = paired(evidence.predictions, evidence.champion)
        difference = paired_difference(pair.y_true, pair.challenger, pair.champion, rule.confidence, pair.weight)
        error_of_difference = difference.difference.standard_error
        if error_of_difference is not None:
            worse = margin or STEP
            quantile = normal_quantile(rule.confidence)
            equal, bad = (blocked_when(truth, -margin, error_of_difference, quantile) for truth in (0.0, -worse))
            found.append(
                _record("champion", error_of_difference, difference.score_correlation, margin, worse, equal, 1 - bad)
            )
    return found


def _record(
    rule: str, error: float, correlation: float | None, margin: float | None, worse: float, good: float, bad: float
) -> dict[str, Any]:
    return {
        "rule": rule,
        "metric": "roc_auc",
        "standard_error": error,
        "score_correlation": correlation,
        "margin": margin,
        "blocks_good": good,
        "passes_worse": bad,
        "worse_by": worse,
    }
