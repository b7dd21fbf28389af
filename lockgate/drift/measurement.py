"""The current batch against a bundle's frozen profile, or against another table: judged and put into words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from msgspec.structs import replace
from numpy.typing import ArrayLike

from lockgate.config.errors import InputError
from lockgate.config.params import Drift
from lockgate.data.dataset import conform_features, infer_features
from lockgate.data.source_table import SourceTable
from lockgate.documents.drift_json import BinShares, DriftResult, FeatureDrift
from lockgate.documents.profile_json import SCORE, Calibration, DriftRule, FeatureProfile, LabelCounts, Profile
from lockgate.documents.schema_json import RESERVED_PREFIX, ROW_KEY, Y_SCORE, Y_TRUE
from lockgate.documents.text import cut_middle
from lockgate.drift.bins import CategoryCounts, Floats, float_values
from lockgate.drift.drift_rule import Judgement, grade, judge, overall
from lockgate.drift.family_error import feature_error
from lockgate.drift.label_drift import count_labels, label_drift
from lockgate.drift.performance import actual_performance, estimated_performance, fit_calibration
from lockgate.drift.profile import count_rows, drift_rule, map_threads, profile_features
from lockgate.drift.psi import psi_terms, smoothed_shares

NAMED_VALUES = 3  # unseen values that a reason names before it only counts them
MAX_VALUE = 100  # characters of such a value, which may be of any length
# What calls scores so: tables of predictions, the decision log, and what `lockgate score` writes.
SCORE_COLUMNS = (Y_SCORE, f"{RESERVED_PREFIX}score", "probability")
MAX_NOTE = 4000  # characters of a sentence of drift.json


def measure_against_profile(
    profile: Profile,
    current: pd.DataFrame,
    *,
    scores: ArrayLike | None = None,
    model: str | None = None,
    rule: DriftRule | None = None,
    target: str | None = None,
    note: str | None = None,
    threads: int = 1,
) -> DriftResult:
    """How far `current`, which has the profile's columns in any order, is from it; the profile's own rule by default.

    `scores` is the model's probability of each row, shape (rows,): without it the score is left out and nothing is
    estimated; `model` is the bundle's digest. `target` names the column of labels (0, 1 or missing) where there may be one:
    a changed rate warns like a feature, too few labels are no news and leave the status alone.
    Raises InputError naming a column that is absent, has changed its type, or holds labels other than 0 and 1.
    """
    features = profile.features if scores is not None else profile.features[:-1]
    reference = _Reference(features, profile.n, profile.labels, profile.calibration)
    batch = _Batch(current, scores, target, _labels(current, target))
    return _measured(reference, batch, rule or profile.rule, model, note, threads)


def measure_tables(
    reference: SourceTable, current: SourceTable, settings: Drift, *, note: str | None = None, threads: int = 1
) -> DriftResult:
    """How far `current` is from `reference`, every column of it that can be binned by what it holds.

    What a column is and how its cells are read is decided by the reference; so is `current` read. The note names the other
    columns with what they hold. A column that is called as one of `SCORE_COLUMNS` and holds probabilities is the score, whoever
    made it; `y_true`, with 0 and 1, holds labels, which `current` may lack. Other columns that the kit writes itself, row keys
    and those of the decision log, are left out. Raises InputError naming a column that `current` lacks, that has changed its
    type, or that holds infinite values.
    """
    typed = infer_features(_without_own_columns(reference))
    kinds = {feature.name: feature for feature in typed.features}
    score = next((name for name in SCORE_COLUMNS if name in kinds and _are_probabilities(typed.table[name])), None)
    target = Y_TRUE if Y_TRUE in kinds and _are_labels(typed.table[Y_TRUE]) else None
    compared = [feature for feature in typed.features if feature.name not in (score, target)]
    if score:
        compared.append(kinds[score])  # the score is the last
    profiles = profile_features(typed.table, compared, settings.bins, threads)
    labels = calibration = scores = None
    read = [*compared, kinds[target]] if target in current.names else compared
    batch = conform_features(current, read, typed.readings)
    if target:
        labels = count_labels(typed.table[target])
    if score:
        profiles = (*profiles[:-1], replace(profiles[-1], kind=SCORE))
        scores = _scores(batch[score], current)
        known = typed.table.dropna(subset=[target]) if target else typed.table.head(0)
        calibration = fit_calibration(known[target], known[score]) if target and len(known) else None
    left_out = [f"{name} ({what})" for name, what in typed.left_out.items()]
    notes = [*([note] if note else []), *([f"not compared: {', '.join(left_out)}"] if left_out else [])]
    return _measured(
        _Reference(profiles, len(typed.table), labels, calibration),
        _Batch(batch, scores, target, _labels(batch, target)),
        drift_rule(settings),
        None,
        "; ".join(notes)[:MAX_NOTE] or None,
        threads,
    )


@dataclass(frozen=True)
class _Reference:
    """What a batch is held against: bins, the score's last if there is one, rows, known labels, and the scores' calibration."""

    features: Sequence[FeatureProfile]
    n: int
    labels: LabelCounts | None
    calibration: Calibration | None


@dataclass(frozen=True)
class _Batch:
    """Rows, their scores, and their labels (0, 1 or NaN) in the column `target`; None where there are none."""

    rows: pd.DataFrame
    scores: ArrayLike | None
    target: str | None
    labels: Floats | None


def _measured(
    reference: _Reference, batch: _Batch, rule: DriftRule, model: str | None, note: str | None, threads: int
) -> DriftResult:
    scores, labels = batch.scores, batch.labels
    known = None if labels is None else count_labels(labels)
    label_is_judged = _is_judged(reference.labels, known, rule)
    error = feature_error(rule.family_error, len(reference.features))
    entries = _feature_entries(reference.features, batch.rows, scores, error, rule, threads)
    label = None
    if known is not None and known.n:
        label = label_drift(str(batch.target), reference.labels, known, error, rule)
    statuses = [one.status for one in entries] + ([label.status] if label and label_is_judged else [])
    return DriftResult(
        status=overall(statuses),
        model=model,
        current=None,
        n_reference=reference.n,
        n_current=len(batch.rows),
        warn=rule.warn,
        alert=rule.alert,
        note=note,
        label=label,
        estimated=None if scores is None else estimated_performance(scores, reference.calibration),
        actual=None if scores is None or labels is None else actual_performance(labels, scores),
        features=entries,
    )


def _without_own_columns(table: SourceTable) -> SourceTable:
    """The table without the columns that the kit writes beside its scores."""
    own = [
        name
        for name in table.names
        if name == ROW_KEY or (name.startswith(RESERVED_PREFIX) and name not in SCORE_COLUMNS)
    ]
    return dataclasses.replace(table, columns=table.columns.drop_columns(own))


def _are_probabilities(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and bool(column.between(0.0, 1.0).all())


def _are_labels(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and bool(column.dropna().isin([0, 1]).all())


def _scores(column: pd.Series, table: SourceTable) -> Floats:
    wrong = ~column.between(0.0, 1.0).to_numpy()
    if wrong.any():
        raise InputError(
            f"{table.name}: column `{column.name}` holds {int(wrong.sum()):,} values that are no probabilities, the first in "
            f"{table.place(int(wrong.argmax()))}; in the reference it holds scores from 0 to 1: correct it, or rename it in both"
        )
    return float_values(column)


def _feature_entries(
    features: Sequence[FeatureProfile],
    current: pd.DataFrame,
    scores: ArrayLike | None,
    error: float,
    rule: DriftRule,
    threads: int,
) -> tuple[FeatureDrift, ...]:
    counted = count_rows(features, current, scores, threads)

    def judgement(pair: tuple[FeatureProfile, CategoryCounts]) -> Judgement:
        one, found = pair
        return judge(one.counts, tuple(found.counts.tolist()), sum(found.unseen.values()), error, rule)

    judgements = map_threads(judgement, list(zip(features, counted, strict=True)), threads)
    return tuple(
        _describe(one, found, judged, rule) for one, found, judged in zip(features, counted, judgements, strict=True)
    )


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


def _describe(feature: FeatureProfile, found: CategoryCounts, judgement: Judgement, rule: DriftRule) -> FeatureDrift:
    rows = int(found.counts.sum()) + sum(found.unseen.values())
    expected, actual = smoothed_shares(feature.counts), smoothed_shares(found.counts)
    return FeatureDrift(
        name=feature.name,
        kind=feature.kind,
        psi=judgement.psi,
        threshold=judgement.threshold,
        p_value=judgement.p_value,
        status=judgement.status,
        rule=judgement.rule,
        reason=_reason(feature, found, judgement, rule)[:MAX_NOTE],
        missing_reference=_share(feature.counts[-1], feature.n),
        missing_current=_share(int(found.counts[-1]), rows),
        unseen_share=_share(sum(found.unseen.values()), rows),
        bins=tuple(
            BinShares(label, float(before), float(now))
            for label, before, now in zip(feature.bin_names, expected, actual, strict=True)
        ),
    )


def _reason(feature: FeatureProfile, found: CategoryCounts, judgement: Judgement, rule: DriftRule) -> str:
    """Which part of the rule fired, for someone on call who has not read it."""
    rows = int(found.counts.sum()) + sum(found.unseen.values())
    if judgement.status == "insufficient-data":
        side, few = ("current", rows) if rows < rule.min_rows else ("reference", feature.n)
        return f"only {few:,} {side} rows, at least {rule.min_rows:,} are needed (drift.min_rows)"
    fired = []
    if judgement.unseen_fired:
        fired.append(_unseen_words(feature.categories, found.unseen, rows))
    if judgement.psi_fired:
        fired.append(f"PSI {judgement.psi:.2f}, {grade(judgement.psi, rule)}: {_largest_move(feature, found)}")
    if fired:
        return "; ".join(fired)
    if judgement.psi < rule.effect_floor:
        return f"PSI {judgement.psi:.3f}, below the smallest that counts ({rule.effect_floor:g})"
    return f"PSI {judgement.psi:.3f}, as {rows:,} unchanged rows also give (up to {judgement.threshold:.3f})"


def _unseen_words(categories: Sequence[str], unseen: dict[str, int], rows: int) -> str:
    named = [
        f"{_shown_value(value, categories)}, {_percent(count / rows)}"
        for value, count in list(unseen.items())[:NAMED_VALUES]
    ]
    if len(unseen) == 1:
        return f"new value {named[0]} of rows"
    others = f" and {len(unseen) - len(named):,} more" if len(unseen) > len(named) else ""
    return f"new values {'; '.join(named)}{others}: together {_percent(sum(unseen.values()) / rows)} of rows"


def _shown_value(value: str, categories: Sequence[str]) -> str:
    """A value that the reference never had; in quotes where one would not see its spaces or what else is in it."""
    text = cut_middle(value, MAX_VALUE)
    shown = f"`{text}`" if value.isprintable() and value == " ".join(value.split()) else f"`{text!r}`"
    known = next((one for one in categories if one.strip().casefold() == value.strip().casefold()), None)
    return shown if known is None else f"{shown} (not `{known}`)"


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
