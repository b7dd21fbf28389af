"""What decisions at other scores would come to: for whoever chooses the threshold, and no check."""

from __future__ import annotations

from lockgate.documents.gate_json import ThresholdRow
from lockgate.gate.evidence import Evidence, Policy
from lockgate.metrics.decision_points import Costs, DecisionPoint, decision_points, usual_thresholds


def threshold_table(evidence: Evidence, policy: Policy) -> tuple[ThresholdRow, ...]:
    """A row for the threshold of the decision and for each tenth of the rows, by threshold; none without both classes."""
    found = evidence.predictions
    if not 0 < evidence.metrics["positives"] < evidence.metrics["n"]:
        return ()
    thresholds = sorted({*usual_thresholds(found.y_score), evidence.decision.threshold})
    said = policy.evaluate.costs
    costs = Costs(said.false_negative, said.false_positive) if said else None
    is_below = evidence.decision.favourable == "below"

    def row(at: DecisionPoint) -> ThresholdRow:
        approved = 1 - at.at_or_above if is_below else at.at_or_above
        return ThresholdRow(at.threshold, approved, at.precision, at.recall, at.cost)

    return tuple(map(row, decision_points(found.y_true, found.y_score, found.weight, thresholds, costs)))
