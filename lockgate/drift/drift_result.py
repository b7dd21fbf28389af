"""`reports/drift.json`: the current batch against the frozen profile, judged and put into words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.documents.profile_json import DriftRule, FeatureProfile, LabelCounts, Profile
from lockgate.drift.categories import CategoryCounts
from lockgate.drift.drift_rule import Judgement, grade, judge, overall
from lockgate.drift.label_drift import count_labels, label_drift
from lockgate.drift.performance import actual_performance, estimated_performance
from lockgate.drift.profile import count_rows, float_values
from lockgate.drift.psi import Floats, psi_terms, smoothed_shares

SCHEMA = 1
NAMED_VALUES = 3  # unseen values that a reason names before it only counts them


def measure_drift(
    profile: Profile,
    current: pd.DataFrame,
    scores: NDArray[Any],
    model: str,
    rule: DriftRule,
    threads: int = 1,
    target: str | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """The whole of `drift.json`: features in the profile's order, the score last.

    `current` holds the profile's columns in any order, `scores` the model's probability for each of its rows (shape
    (rows,)), `model` the bundle's digest, `target` the name of the column of labels (0, 1 or missing) where there may be
    one; `note` is for whoever reads the numbers. Deterministic, and the same for any number of threads.
    A changed rate of labels warns like a feature; too few labels are no news, and leave the status alone.
    Raises InputError naming a column that is absent, has changed its type, or holds labels other than 0 and 1.
    """
    labels = _labels(current, target)
    known = None if labels is None else count_labels(labels)
    counted = count_rows(profile, current, scores, threads)
    label_is_judged = _is_judged(profile.labels, known, rule)
    family = len(profile.features) + label_is_judged
    judgements = [
        judge(one.counts, tuple(found.counts.tolist()), sum(found.unseen.values()), family, rule)
        for one, found in zip(profile.features, counted, strict=True)
    ]
    label = None if known is None or not known.n else label_drift(str(target), profile.labels, known, family, rule)
    statuses = [one.status for one in judgements] + ([label["status"]] if label and label_is_judged else [])
    return {
        "schema": SCHEMA,
        "status": overall(statuses),
        "model": model,
        "n_reference": profile.n,
        "n_current": len(current),
        "warn": rule.warn,
        "alert": rule.alert,
        "note": note,
        "label": label,
        "estimated": estimated_performance(scores, profile.calibration),
        "actual": None if labels is None else actual_performance(labels, scores),
        "features": [
            _describe(one, found, judgement, rule)
            for one, found, judgement in zip(profile.features, counted, judgements, strict=True)
        ],
    }


def _labels(current: pd.DataFrame, target: str | None) -> Floats | None:
    if target is None or target not in current.columns:
        return None
    labels = float_values(current[target])
    wrong = ~(np.isnan(labels) | (labels == 0.0) | (labels == 1.0))
    if wrong.any():
        raise InputError(
            f"the current data's labels in column {target} hold {int(wrong.sum()):,} values other than 0, 1 and missing; "
            "run `lockgate prepare` on the batch, or leave the column out"
        )
    return labels


def _is_judged(reference: LabelCounts | None, current: LabelCounts | None, rule: DriftRule) -> bool:
    return reference is not None and current is not None and min(reference.n, current.n) >= rule.min_rows


def _describe(feature: FeatureProfile, found: CategoryCounts, judgement: Judgement, rule: DriftRule) -> dict[str, Any]:
    rows = int(found.counts.sum()) + sum(found.unseen.values())
    expected, actual = smoothed_shares(feature.counts), smoothed_shares(found.counts)
    return {
        "name": feature.name,
        "kind": feature.kind,
        "psi": judgement.psi,
        "threshold": judgement.threshold,
        "p_value": judgement.p_value,
        "status": judgement.status,
        "rule": judgement.rule,
        "reason": _reason(feature, found, judgement, rule),
        "missing_reference": _share(feature.counts[-1], feature.n),
        "missing_current": _share(int(found.counts[-1]), rows),
        "unseen_share": _share(sum(found.unseen.values()), rows),
        "bins": [
            {"label": label, "expected": float(before), "actual": float(now)}
            for label, before, now in zip(feature.bin_names, expected, actual, strict=True)
        ],
    }


def _reason(feature: FeatureProfile, found: CategoryCounts, judgement: Judgement, rule: DriftRule) -> str:
    """Which part of the rule fired, for someone on call who has not read it."""
    rows = int(found.counts.sum()) + sum(found.unseen.values())
    if judgement.status == "insufficient-data":
        side, few = ("current", rows) if rows < rule.min_rows else ("reference", feature.n)
        return f"only {few:,} {side} rows, at least {rule.min_rows:,} are needed (drift.min_rows)"
    fired = []
    if judgement.unseen_fired:
        fired.append(_unseen_words(found.unseen, rows))
    if judgement.psi_fired:
        fired.append(f"PSI {judgement.psi:.2f}, {grade(judgement.psi, rule)}: {_largest_move(feature, found)}")
    if fired:
        return "; ".join(fired)
    if judgement.psi < rule.effect_floor:
        return f"PSI {judgement.psi:.3f}, below the smallest that counts ({rule.effect_floor:g})"
    return f"PSI {judgement.psi:.3f}, as {rows:,} unchanged rows also give (up to {judgement.threshold:.3f})"


def _unseen_words(unseen: dict[str, int], rows: int) -> str:
    named = [f"`{value}`, {_percent(count / rows)}" for value, count in list(unseen.items())[:NAMED_VALUES]]
    if len(unseen) == 1:
        return f"new value {named[0]} of rows"
    others = f" and {len(unseen) - len(named):,} more" if len(unseen) > len(named) else ""
    return f"new values {'; '.join(named)}{others}: together {_percent(sum(unseen.values()) / rows)} of rows"


def _largest_move(feature: FeatureProfile, found: CategoryCounts) -> str:
    position = int(np.argmax(psi_terms(feature.counts, found.counts)))
    before = feature.counts[position] / feature.n
    now = int(found.counts[position]) / int(found.counts.sum())
    direction = "more" if now > before else "fewer"
    what = "missing values" if position == len(feature.counts) - 1 else f"rows {_in_bin(feature, position)}"
    return f"{direction} {what} ({_percent(now)} instead of {_percent(before)})"


def _in_bin(feature: FeatureProfile, position: int) -> str:
    label = feature.bin_names[position]
    return f"with `{label}`" if feature.kind == "categorical" else f"in {label}"


def _percent(share: float) -> str:
    percent = 100.0 * share
    return f"{percent:.0f} %" if percent >= 10.0 or percent == 0.0 else f"{percent:.2g} %"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def utc_moment(text: str, option: str) -> str:
    """`text` in that form: `now`, or an ISO 8601 time with its zone; InputError naming `option` where it is neither."""
    try:
        moment = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} is {text[:40]!r}; give `now`, or a time with its zone such as 2026-11-25T03:00:00Z"
        ) from None
