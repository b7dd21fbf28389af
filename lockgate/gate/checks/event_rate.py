"""The event rate: how common the event is in the test rows, against the rows that the model was trained on."""

from __future__ import annotations

from lockgate.documents.gate_check import EVENT_RATE, Check, Kind, Status
from lockgate.gate.evidence import Evidence, Policy
from lockgate.gate.training_rows import event_counts

KIND: Kind = "event-rate"


def event_rate_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """Block where the odds of the event differ by more than a factor of `evaluate.event_rate_ratio`, either way.

    A rate of 22 % beside one of 78 %, as inverted labels give, is a factor of 13; a rate that doubles from 2 % to 4 % one of 2.
    Each side gets half an event and half a row without one, so that there are odds where it has none.
    """
    features = evidence.features
    if evidence.stale or features is None:
        return []
    if features.train is None:
        return [Check(EVENT_RATE, KIND, reason=f"there is no rate to compare with: {features.why_no_train}")]
    tested, rows = int(evidence.predictions.y_true.sum()), len(evidence.predictions.table)
    trained, training_rows = event_counts(features.train, features.schema.target)
    ratio = ((tested + 0.5) / (rows - tested + 0.5)) / ((trained + 0.5) / (training_rows - trained + 0.5))
    factor, limit = max(ratio, 1 / ratio), policy.evaluate.event_rate_ratio
    reason = f"{tested / rows:.1%} of the test rows are events, {trained / training_rows:.1%} of the training rows"
    if factor > limit:
        reason += ": one of the two has its labels inverted, or is of another population"
    status: Status = "block" if factor > limit else "pass"
    return [Check(EVENT_RATE, KIND, value=factor, op="<=", threshold=limit, status=status, reason=reason)]
