"""The features' entries in `drift.json`: each counted, judged, and put into words for someone on call who has not read the rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lockgate.documents.document import MAX_SENTENCE
from lockgate.documents.drift_json import BinShares, FeatureDrift
from lockgate.documents.profile_json import DriftRule, FeatureProfile
from lockgate.documents.text import cut_middle
from lockgate.drift.batch_counts import FeatureCounts
from lockgate.drift.bins import CategoryCounts
from lockgate.drift.drift_rule import Judgement, grade, judge
from lockgate.drift.effects import feature_effect
from lockgate.drift.profile import map_threads
from lockgate.drift.psi import psi_terms, smoothed_shares

NAMED_VALUES = 3  # unseen values that a reason names before it only counts them
MAX_VALUE = 100  # characters of such a value, which may be of any length


def feature_entries(
    features: Sequence[FeatureProfile],
    current: Sequence[FeatureCounts],
    error: float,
    rule: DriftRule,
    threads: int,
) -> tuple[FeatureDrift, ...]:
    """An entry for each of `features`, in their order, counted in `current`; `error` is what each is allowed."""

    def entry(pair: tuple[FeatureProfile, FeatureCounts]) -> FeatureDrift:
        feature, found = pair[0], pair[1].found
        only = _only_value(feature, pair[1])
        counts = tuple(found.counts.tolist())
        judged = judge(feature.counts, counts, found.unseen_rows, error, rule, is_constant=only is not None)
        return _describe(feature, found, judged, only, rule)

    return tuple(map_threads(entry, list(zip(features, current, strict=True)), threads))


def _only_value(feature: FeatureProfile, counted: FeatureCounts) -> str | None:
    """The one value that all rows have that have any, as it is shown; None where there are several, or none."""
    found = counted.found
    present = np.flatnonzero(found.counts[:-1]).tolist()
    if len(present) + len(found.unseen) != 1:
        return None
    if feature.kind == "categorical":
        return _quoted(next(iter(found.unseen)) if found.unseen else feature.categories[present[0]])
    least, most = counted.ends or (0.0, 1.0)
    return f"`{least:.9g}`" if least == most else None


def _describe(
    feature: FeatureProfile, found: CategoryCounts, judgement: Judgement, only: str | None, rule: DriftRule
) -> FeatureDrift:
    expected, actual = smoothed_shares(feature.counts), smoothed_shares(found.counts)
    effect = None
    if feature.scores is not None:
        effect = feature_effect(feature.counts, found.counts, found.unseen_rows, feature.scores)
    return FeatureDrift(
        name=feature.name,
        kind=feature.kind,
        psi=judgement.psi,
        threshold=judgement.threshold,
        p_value=judgement.p_value,
        status=judgement.status,
        rule=judgement.rule,
        reason=_reason(feature, found, judgement, only, rule)[:MAX_SENTENCE],
        effect=effect,
        missing_reference=_share(feature.counts[-1], feature.n),
        missing_current=_share(int(found.counts[-1]), found.rows),
        unseen_share=_share(found.unseen_rows, found.rows),
        bins=tuple(
            BinShares(label, float(before), float(now))
            for label, before, now in zip(feature.bin_names, expected, actual, strict=True)
        ),
    )


def _reason(
    feature: FeatureProfile, found: CategoryCounts, judgement: Judgement, only: str | None, rule: DriftRule
) -> str:
    """Which parts of the rule fired, the gravest first."""
    if judgement.status == "insufficient-data":
        side, few = ("current", found.rows) if found.rows < rule.min_rows else ("reference", feature.n)
        return f"only {few:,} {side} rows, at least {rule.min_rows:,} are needed (drift.min_rows)"
    words = {
        "constant": lambda: _constant_words(feature, found, only),
        "missing": lambda: _missing_words(feature, found),
        "psi": lambda: _psi_words(feature, found, judgement, rule),
        "unseen": lambda: _unseen_words(feature.categories, found),
    }
    if judgement.fired:
        return "; ".join(words[part]() for part in judgement.fired)
    if judgement.psi < rule.effect_floor:
        return f"PSI {judgement.psi:.3f}, below the smallest that counts ({rule.effect_floor:g})"
    return f"PSI {judgement.psi:.3f}, as {found.rows:,} unchanged rows also give (up to {judgement.threshold:.3f})"


def _constant_words(feature: FeatureProfile, found: CategoryCounts, only: str | None) -> str:
    present = found.rows - int(found.counts[-1])
    most = max(feature.counts[:-1]) / sum(feature.counts[:-1])
    return (
        f"one value left: {only} in all {present:,} rows that have one; before, no value had more than {_percent(most)}"
    )


def _missing_words(feature: FeatureProfile, found: CategoryCounts) -> str:
    now = _percent(_share(int(found.counts[-1]), found.rows))
    if feature.counts[-1] == 0:
        return f"the first missing values: {now} of rows"
    return f"more missing values: {now} of rows instead of {_percent(_share(feature.counts[-1], feature.n))}"


def _psi_words(feature: FeatureProfile, found: CategoryCounts, judgement: Judgement, rule: DriftRule) -> str:
    words = f"PSI {judgement.psi:.2f}, {grade(judgement.psi, rule)}"
    position = int(np.argmax(psi_terms(feature.counts, found.counts)))
    if position == len(feature.counts) - 1 and "missing" in judgement.fired:  # said already
        return words
    return f"{words}: {_move(feature, found, position)}"


def _unseen_words(categories: Sequence[str], found: CategoryCounts) -> str:
    rows, unseen = found.rows, found.unseen
    named = [
        f"{_shown_value(value, categories)}, {_percent(count / rows)}"
        for value, count in list(unseen.items())[:NAMED_VALUES]
    ]
    if len(unseen) == 1:
        return f"new value {named[0]} of rows"
    others = f" and {len(unseen) - len(named):,} more" if len(unseen) > len(named) else ""
    return f"new values {'; '.join(named)}{others}: together {_percent(found.unseen_rows / rows)} of rows"


def _shown_value(value: str, categories: Sequence[str]) -> str:
    """A value that the reference never had, with the known one that it was probably meant to be."""
    shown = _quoted(value)
    known = next((one for one in categories if one.strip().casefold() == value.strip().casefold()), None)
    return shown if known is None else f"{shown} (not `{known}`)"


def _quoted(value: str) -> str:
    """In quotes where one would not see its spaces or what else is in it."""
    text = cut_middle(value, MAX_VALUE)
    return f"`{text}`" if value and value.isprintable() and value == " ".join(value.split()) else f"`{text!r}`"


def _move(feature: FeatureProfile, found: CategoryCounts, position: int) -> str:
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
