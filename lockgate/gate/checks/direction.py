"""Direction: a model that ranks clearly worse than chance has its labels or its scores the wrong way round."""

from __future__ import annotations

from lockgate.documents.gate_check import CHAMPION_DIRECTION, DIRECTION, RANDOM_AUC, Check, Kind
from lockgate.gate.checks.champion import is_unchanged, paired
from lockgate.gate.evidence import Evidence, Policy
from lockgate.metrics.delong import auc_interval
from lockgate.metrics.interval import Interval

KIND: Kind = "direction"


def direction_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """Block where the whole interval of the ROC-AUC lies below 0.5, the model's own or that of its champion.

    Where every label is inverted, training rows and test rows alike, the new model ranks well: but the champion learnt from
    the labels as they were, and ranks these upside down.
    """
    if evidence.stale:
        return []
    checks = [
        _check(DIRECTION, evidence.intervals["roc_auc"], "the labels or the scores look inverted; see prepare.positive")
    ]
    champion = evidence.champion
    if champion is not None and not is_unchanged(evidence.predictions, champion):
        pair = paired(evidence.predictions, champion)
        found = auc_interval(pair.y_true, pair.champion, policy.evaluate.confidence, pair.weight)
        checks.append(champion_direction(found))
    return checks


def champion_direction(found: Interval) -> Check:
    """The check of the champion's ROC-AUC on the labels of these rows."""
    inverted = "the labels look inverted against those that the champion was trained on; see prepare.positive"
    return _check(CHAMPION_DIRECTION, found, inverted)


def _check(name: str, found: Interval, inverted: str) -> Check:
    is_inverted = found.high is not None and found.high < RANDOM_AUC
    reason = f"ranks clearly worse than chance: {inverted}" if is_inverted else "not clearly worse than chance"
    return Check(
        name,
        KIND,
        "roc_auc",
        None,
        found.value,
        found.low,
        found.high,
        ">=",
        RANDOM_AUC,
        "block" if is_inverted else "pass",
        reason,
        found.status,
    )
