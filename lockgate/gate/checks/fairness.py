"""Fairness at the decision threshold: how the decision treats the groups of the audit columns.

The favourable decision is the positive one, and those who merit it are the rows whose outcome is the favourable one
(with `favourable: below`, those who did not default). For each column:
- adverse impact ratio: the lowest over the highest share of favourable decisions among the groups. Below 0.8 is the
  four-fifths rule's sign of adverse impact (Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D);
- equal opportunity difference: the largest gap between groups in favourable decisions among those who merit it
  (Hardt, Price & Srebro 2016, Equality of Opportunity in Supervised Learning);
- false positive rate difference: the same gap among those who do not merit it.

The two groups of a check are chosen by the data, so their interval has the confidence 1 - (1 - confidence) / pairs.
Ratio: normal on the log scale; difference: Newcombe (1998), Statistics in Medicine 17, 873-890, method 10, from
Wilson's intervals, with Kish's effective number of rows where rows are weighted.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np

from lockgate.config.metric_names import CUSTOMARY_FAIRNESS, IMPACT_RATIO, FairnessMetric
from lockgate.documents.gate_check import Check, Operator, Status, decided
from lockgate.gate.checks.groups import Group, groups_of
from lockgate.gate.evidence import Evidence, Policy
from lockgate.metrics.curves import wilson
from lockgate.metrics.interval import normal_quantile

EQUAL_OPPORTUNITY: FairnessMetric = "equal_opportunity_difference"
FALSE_POSITIVE: FairnessMetric = "false_positive_rate_difference"
_AMONG: dict[FairnessMetric, str] = {
    IMPACT_RATIO: "",
    EQUAL_OPPORTUNITY: " among those who merit it",
    FALSE_POSITIVE: " among those who do not merit it",
}


@dataclass(frozen=True)
class Rate:
    """The share of favourable decisions in a group, in so many effective rows."""

    group: str
    share: float
    rows: float


def fairness_columns(evidence: Evidence, policy: Policy) -> list[str]:
    """The policy's columns; all audit columns of the model where it names none, and none for an empty list."""
    named = policy.evaluate.fairness
    return list(dict.fromkeys(evidence.audit_columns if named is None else named))


def fairness_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """Three checks a column: they warn beyond the customary limits, and block beyond those the policy sets."""
    if evidence.stale:
        return []
    predictions, decision = evidence.predictions, evidence.decision
    below = decision.favourable == "below"
    at_least = predictions.y_score >= decision.threshold
    favourable = ~at_least if below else at_least
    merits = predictions.y_true == (0 if below else 1)
    everyone = np.ones(len(merits), dtype=bool)
    checks = []
    for column in fairness_columns(evidence, policy):
        groups = groups_of(predictions, column, "evaluate.fairness")
        for metric, among in ((IMPACT_RATIO, everyone), (EQUAL_OPPORTUNITY, merits), (FALSE_POSITIVE, ~merits)):
            rates = _rates(groups, favourable, among, predictions.weight, policy.evaluate.slice_minimum)
            checks.append(_check(metric, column, rates, policy))
    return checks


def _rates(
    groups: list[Group], favourable: np.ndarray, among: np.ndarray, weight: np.ndarray | None, minimum: int
) -> list[Rate]:
    rates = []
    for group in groups:
        rows = group.rows[among[group.rows]]
        mass = np.ones(len(rows)) if weight is None else weight[rows]
        if len(rows) >= minimum and mass.sum() > 0:
            share = float((mass * favourable[rows]).sum() / mass.sum())
            rates.append(Rate(group.label, share, float(mass.sum() ** 2 / (mass**2).sum())))
    return rates


def _check(metric: FairnessMetric, column: str, rates: list[Rate], policy: Policy) -> Check:
    limit = policy.evaluate.fairness_limits.get(metric)
    threshold = CUSTOMARY_FAIRNESS[metric] if limit is None else limit
    op: Operator = ">=" if metric == IMPACT_RATIO else "<="
    name = metric.replace("_", " ")
    lowest, highest = (pick(rates, key=lambda rate: rate.share) if rates else None for pick in (min, max))
    if lowest is None or highest is None or len(rates) < 2:
        reason = f"fewer than two groups have {policy.evaluate.slice_minimum} rows to compare"
        return Check(name, "fairness", metric, column, op=op, threshold=threshold, reason=reason)
    if metric == IMPACT_RATIO and highest.share == 0:
        return Check(
            name,
            "fairness",
            metric,
            column,
            op=op,
            threshold=threshold,
            reason="no decision is favourable in any group",
        )
    pairs = len(rates) * (len(rates) - 1) // 2
    confidence = 1 - (1 - policy.evaluate.confidence) / pairs
    if metric == IMPACT_RATIO:
        value, low, high = _ratio(lowest, highest, confidence)
    else:
        value, low, high = _difference(lowest, highest, confidence)
    by_bound = limit is not None and policy.gate.decide_on == "bound"
    status: Status = decided(value, low, high, op, threshold, by_bound)
    if limit is None and status == "block":
        status = "warn"
    reason = f"`{lowest.group}` has {lowest.share:.1%} favourable decisions{_AMONG[metric]}, `{highest.group}` {highest.share:.1%}"
    return Check(name, "fairness", metric, column, value, low, high, op, threshold, status, reason, "ok", confidence)


def _ratio(lowest: Rate, highest: Rate, confidence: float) -> tuple[float, float, float]:
    """The ratio of the shares; a half row is added to each count for the interval, so that zero has one too."""
    value = lowest.share / highest.share
    smooth = [(rate.share * rate.rows + 0.5) / (rate.rows + 1) for rate in (lowest, highest)]
    error = sqrt(
        sum((1 - share) / (share * (rate.rows + 1)) for share, rate in zip(smooth, (lowest, highest), strict=True))
    )
    reach = normal_quantile(confidence) * error
    middle = log(smooth[0] / smooth[1])
    return value, min(exp(middle - reach), value), max(exp(middle + reach), value)


def _difference(lowest: Rate, highest: Rate, confidence: float) -> tuple[float, float, float]:
    value = highest.share - lowest.share
    shares, rows = np.array([highest.share, lowest.share]), np.array([highest.rows, lowest.rows])
    low, high = wilson(shares, rows, confidence)
    down = sqrt((shares[0] - low[0]) ** 2 + (high[1] - shares[1]) ** 2)
    up = sqrt((high[0] - shares[0]) ** 2 + (shares[1] - low[1]) ** 2)
    return value, max(value - down, -1.0), min(value + up, 1.0)
