"""Leakage: signs that the test rows, or the future, were known to the model, looked for before any metric is believed.

Plain signs block by default (`evaluate.leakage.plain`): more than half of the test rows are training rows, one feature alone
ranks the outcome nearly perfectly, the model uses what is unknown at the decision. Fewer shared rows warn
(`evaluate.leakage.other`). Without the very rows that the model was trained on nothing of this can be told, which is as bad.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lockgate.config.errors import InputError
from lockgate.config.params import Leakage
from lockgate.config.suggest import nearest
from lockgate.data.stage_rows import frames_of
from lockgate.documents.gate_check import (
    EXPECTED_FEATURE,
    MAX_FEATURE_AUC,
    MAX_SHARED_ROWS,
    NO_FEATURES,
    SHARED_ROWS,
    STRONGEST_FEATURE,
    UNAVAILABLE_FEATURES,
    Check,
    Kind,
    Status,
)
from lockgate.documents.schema_json import Feature
from lockgate.gate.evidence import Evidence, Features, Policy
from lockgate.gate.training_rows import MISSING, TrainingSums, training_sums
from lockgate.metrics.metrics import roc_auc

KIND: Kind = "leakage"


def leakage_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """Shared rows, single features that tell the outcome, and features that were not to be known at the decision."""
    if evidence.stale:
        return []
    if evidence.features is None:
        return [Check(NO_FEATURES, KIND, reason="a table of predictions has no features to look at")]
    rule, features = policy.evaluate.leakage, evidence.features
    sums = None
    if features.train is not None:
        sums = training_sums(features.schema, features.test, features.train)
    label, weight = evidence.predictions.y_true, evidence.predictions.weight
    return [
        _shared_rows(features, sums, len(label), rule),
        *_strong_features(features, sums, label, weight, rule),
        _unavailable(features, rule),
    ]


def _shared_rows(features: Features, sums: TrainingSums | None, rows: int, rule: Leakage) -> Check:
    if sums is None:
        reason = f"leakage cannot be ruled out: {features.why_no_train}"
        return Check(SHARED_ROWS, KIND, status=rule.plain, reason=reason)
    share = sums.shared / rows
    is_plain = share > MAX_SHARED_ROWS
    status: Status = rule.plain if is_plain else rule.other if sums.shared else "pass"
    reason = f"{sums.shared:,} of {rows:,} test rows have the features of a training row"
    threshold = MAX_SHARED_ROWS if is_plain else 0.0
    return Check(SHARED_ROWS, KIND, None, None, share, op="<=", threshold=threshold, status=status, reason=reason)


def _strong_features(
    features: Features, sums: TrainingSums | None, label: np.ndarray, weight: np.ndarray | None, rule: Leakage
) -> list[Check]:
    """The feature with the highest ROC-AUC, of either direction, on its own; apart from it those expected to be strong."""
    strengths = {
        feature.name: _strength(feature, features, sums, label, weight) for feature in features.schema.features
    }
    for name in rule.expected:
        if name not in strengths:
            raise InputError(
                f"evaluate.leakage.expected names `{name}`, which is no feature; {nearest(name, strengths)}"
            )
    expected = [
        Check(
            EXPECTED_FEATURE,
            KIND,
            "roc_auc",
            name,
            strengths.pop(name),
            op="<=",
            threshold=MAX_FEATURE_AUC,
            reason="named in evaluate.leakage.expected: it may be this strong",
        )
        for name in dict.fromkeys(rule.expected)
    ]
    if not strengths:
        return [Check(STRONGEST_FEATURE, KIND, "roc_auc", reason="no other feature can be ranked"), *expected]
    strongest = max(strengths, key=lambda feature: strengths[feature])
    value = strengths[strongest]
    status: Status = rule.plain if value > MAX_FEATURE_AUC else "pass"
    reason = f"`{strongest}` alone has it"
    if value > MAX_FEATURE_AUC:
        reason += "; is it known at the decision? If it rightly is, name it in evaluate.leakage.expected"
    check = Check(
        STRONGEST_FEATURE,
        KIND,
        "roc_auc",
        None,
        value,
        op="<=",
        threshold=MAX_FEATURE_AUC,
        status=status,
        reason=reason,
    )
    return [check, *expected]


def _strength(
    feature: Feature, features: Features, sums: TrainingSums | None, label: np.ndarray, weight: np.ndarray | None
) -> float:
    """Missing values may rank at either end; a category ranks by its rate of positives in the training rows."""
    if feature.kind == "categorical" and sums is None:
        return 0.5
    parts = [_numbers(feature, frame[feature.name], sums) for frame in frames_of(features.test, [feature.name])]
    numbers = np.concatenate(parts)
    del parts
    missing = np.isnan(numbers)
    if not missing.any():
        area = roc_auc(label, numbers, weight)
        return max(area, 1 - area)
    lowest, highest = (0.0, 0.0) if missing.all() else (np.nanmin(numbers), np.nanmax(numbers))
    areas = []
    for end in (lowest - 1 - abs(lowest), highest + 1 + abs(highest)):
        numbers[missing] = end
        areas.append(roc_auc(label, numbers, weight))
    return max(max(area, 1 - area) for area in areas)


def _numbers(feature: Feature, values: pd.Series, sums: TrainingSums | None) -> np.ndarray:
    """What a feature's values rank by."""
    if feature.kind == "categorical" and sums is not None:
        values = values.fillna(MISSING).map(sums.categories[feature.name]).fillna(sums.event_rate)
    numbers: np.ndarray = values.to_numpy(dtype="float64", na_value=np.nan)
    return numbers


def _unavailable(features: Features, rule: Leakage) -> Check:
    used = [column for column in features.schema.feature_names if column in features.unavailable]
    status: Status = rule.plain if used else "pass"
    reason = "none is among the features"
    if used:
        names = ", ".join(f"`{column}`" for column in used)
        reason = f"the model was trained on {names}; run `lockgate prepare` and train again"
    count = float(len(used))
    return Check(UNAVAILABLE_FEATURES, KIND, None, None, count, op="<=", threshold=0.0, status=status, reason=reason)
