"""Leakage: signs that the test rows, or the future, were known to the model, looked for before any metric is believed.

They warn, and block with `evaluate.leakage: block`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lockgate.documents.gate_json import Check, Kind, Status
from lockgate.documents.schema_json import Feature
from lockgate.gate.evidence import Evidence, Features, Policy
from lockgate.metrics.metrics import roc_auc

KIND: Kind = "leakage"
MAX_FEATURE_AUC = 0.98


def leakage_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """Shared rows, single features that tell the outcome, and features that were not to be known at the decision."""
    if evidence.stale:
        return []
    if evidence.features is None:
        return [Check("leakage", KIND, reason="a table of predictions has no features to look at")]
    found: Status = "block" if policy.evaluate.leakage == "block" else "warn"
    features = evidence.features
    return [
        _shared_rows(features, found),
        _strongest_feature(features, evidence.predictions.y_true, evidence.predictions.weight, found),
        _unavailable(features, found),
    ]


def _shared_rows(features: Features, found: Status) -> Check:
    """Test rows whose features all equal those of a training row, by a 64-bit hash of their content."""
    name = "rows shared by train and test"
    if features.train is None:
        return Check(name, KIND, reason="the training rows are not there to compare with")
    columns = features.schema.feature_names
    train, test = (pd.util.hash_pandas_object(table[columns], index=False) for table in (features.train, features.test))
    shared = int(test.isin(train).sum())
    share = shared / len(test)
    reason = f"{shared:,} of {len(test):,} test rows have the features of a training row"
    return Check(
        name, KIND, None, None, share, op="<=", threshold=0.0, status=found if shared else "pass", reason=reason
    )


def _strongest_feature(features: Features, label: np.ndarray, weight: np.ndarray | None, found: Status) -> Check:
    """The highest ROC-AUC, of either direction, that one feature has on its own."""
    strengths = {feature.name: _strength(feature, features, label, weight) for feature in features.schema.features}
    name = "strongest single feature"
    if not strengths:
        return Check(name, KIND, "roc_auc", reason="no feature can be ranked")
    strongest = max(strengths, key=lambda feature: strengths[feature])
    value = strengths[strongest]
    status: Status = found if value > MAX_FEATURE_AUC else "pass"
    reason = f"`{strongest}` alone has it" + ("; is it known at the decision?" if status != "pass" else "")
    return Check(name, KIND, "roc_auc", None, value, op="<=", threshold=MAX_FEATURE_AUC, status=status, reason=reason)


def _strength(feature: Feature, features: Features, label: np.ndarray, weight: np.ndarray | None) -> float:
    """Missing values may rank at either end; a category ranks by its rate of positives in the training rows."""
    values = features.test[feature.name]
    if feature.kind == "categorical":
        if features.train is None:
            return 0.5
        target = features.schema.target
        train = features.train[target].groupby(features.train[feature.name].fillna("\0")).mean()
        rates = values.fillna("\0").map(train).fillna(float(features.train[target].mean()))
        candidates = [rates.to_numpy(dtype="float64")]
    else:
        numbers = values.to_numpy(dtype="float64", na_value=np.nan)
        missing = np.isnan(numbers)
        lowest, highest = (0.0, 0.0) if missing.all() else (np.nanmin(numbers), np.nanmax(numbers))
        ends = (lowest - 1 - abs(lowest), highest + 1 + abs(highest)) if missing.any() else (0.0,)
        candidates = [np.where(missing, end, numbers) for end in ends]
    areas = [roc_auc(label, candidate, weight) for candidate in candidates]
    return max(max(area, 1 - area) for area in areas)


def _unavailable(features: Features, found: Status) -> Check:
    name = "features unavailable at the decision"
    used = [column for column in features.schema.feature_names if column in features.unavailable]
    if not used:
        return Check(
            name, KIND, None, None, 0.0, op="<=", threshold=0.0, status="pass", reason="none is among the features"
        )
    reason = (
        "the model was trained on "
        + ", ".join(f"`{column}`" for column in used)
        + "; run `lockgate prepare` and train again"
    )
    return Check(name, KIND, None, None, float(len(used)), op="<=", threshold=0.0, status=found, reason=reason)
