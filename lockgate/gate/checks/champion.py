"""The challenger against the champion on the same rows: is it at most a margin worse?

Non-inferiority, paired: the lower end of the interval of the difference (challenger minus champion) must clear minus
the margin, whatever `decide_on` says, because a comparison of two estimates blocks an equal model half the time.
`gate.champion.confidence` is two-sided: 0.92 means that a model exactly the margin worse passes in (1 - 0.92) / 2 =
4 % of test sets. Where the interval reaches both sides of minus the margin, not being worse is not shown: that
blocks, or is inconclusive with `decide_on: bound`.
ROC-AUC: DeLong's paired interval. PR-AUC and Brier: paired bootstrap, and they decide only where they have a margin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec.structs import replace

from lockgate.config.errors import InputError
from lockgate.config.metric_names import FOR_CHAMPIONS, METRICS
from lockgate.config.params import Champion
from lockgate.data.row_keys import Digests, Places, are_same_keys, order_of, repeated_row, shared_rows
from lockgate.documents.gate_check import Check, Kind, Operator, Status
from lockgate.documents.gate_json import NewData
from lockgate.gate.evidence import Evidence, Policy
from lockgate.metrics.bootstrap import PAIRED, RESAMPLES, bootstrap_differences
from lockgate.metrics.delong import Difference, paired_difference
from lockgate.metrics.interval import Interval
from lockgate.model.predictions import Predictions

KIND: Kind = "champion"
UNCHANGED = "model unchanged: the champion is this very model, the thresholds alone decide"
DECLARED = "declared the first model: there is no champion yet, the thresholds alone decide"
ANEW = "the data are defined anew"
HOW_TO_DECIDE_ANEW = "`gate.champion.new_data: thresholds` in the policy that judges lets the thresholds decide"
HOW = {
    "base": "pass the base commit's reports/predictions.parquet",
    "registry": "pass the predictions of the registry's champion on these rows",
    "file": "pass the champion's predictions on these rows",
}
# Beyond, the paired bootstrap takes minutes; PR-AUC and Brier are then shown only where a margin wants them.
MAX_SHOWN_ROWS = 100_000
SHOWN_RESAMPLES = 800  # of what decides nothing


@dataclass(frozen=True)
class Pair:
    """Both models on the same rows, in the challenger's order."""

    y_true: np.ndarray
    challenger: np.ndarray
    champion: np.ndarray
    weight: np.ndarray | None


def paired(challenger: Predictions, champion: Predictions) -> Pair:
    """The two joined by row key.

    Raises InputError where a table lacks the keys, repeats one, has other keys than the other, or other labels.
    """
    own, by_own = _sorted_keys(challenger, "these predictions")
    other, by_other = _sorted_keys(champion, "the champion's predictions")
    if not are_same_keys(own, by_own, other, by_other):
        shared = len(shared_rows(own, other)[0])
        raise InputError(
            f"the champion was scored on other rows: {shared:,} row keys agree, of {len(own):,} here and "
            f"{len(other):,} of the champion's; score it on the same test rows, as `lockgate champion` does"
        )
    there = np.empty(len(own), dtype=np.int64)
    there[by_own] = by_other
    del by_own, by_other
    if not np.array_equal(challenger.y_true, champion.y_true[there]):
        raise InputError(
            "the champion's predictions have other labels for the same row keys; score it on the same test rows"
        )
    return Pair(challenger.y_true, challenger.y_score, champion.y_score[there], challenger.weight)


def _sorted_keys(predictions: Predictions, which: str) -> tuple[Digests, Places]:
    keys = predictions.key_digests
    if keys is None:
        raise InputError(f"{which} have no column `row_key`; a champion is compared on the same rows, joined by it")
    order = order_of(keys)
    if repeated_row(keys, order) is not None:
        raise InputError(f"column `row_key` of {which} names a row twice; each row must have a key of its own")
    return keys, order


def compared(pair: Pair, champion: Champion, seed: int) -> tuple[Difference, dict[str, Interval]]:
    """The paired comparison of ROC-AUC, and the intervals of the differences by metric."""
    difference = paired_difference(pair.y_true, pair.challenger, pair.champion, champion.confidence, pair.weight)
    intervals = {"roc_auc": difference.difference}
    deciding = bool(set(champion.margins) & set(PAIRED))
    if len(pair.y_true) <= MAX_SHOWN_ROWS or deciding:
        intervals |= bootstrap_differences(
            pair.y_true,
            pair.challenger,
            pair.champion,
            pair.weight,
            seed=seed,
            confidence=champion.confidence,
            resamples=RESAMPLES if deciding else SHOWN_RESAMPLES,
        )
    return difference, intervals


def champion_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """The comparison; not applicable without a champion where there need not be one, a block where there must."""
    rule = policy.gate.champion
    if evidence.new_data is not None:
        return [check_of_new_data(evidence.new_data, rule)]
    if evidence.champion is None:
        return [_absent(evidence, rule)]
    if evidence.stale:
        return [Check("champion", KIND, status="block", reason=evidence.stale_reason)]
    return list(compare_with_champion(evidence.predictions, evidence.champion, policy))


def compare_with_champion(predictions: Predictions, champion: Predictions, policy: Policy) -> tuple[Check, ...]:
    """One check a metric: `predictions` against the champion's on the same rows, by `gate.champion.margins`.

    Whoever replaces the champion may do so where none of the checks blocks or is inconclusive. A champion that is the very
    model in hand, by its digest, is not compared. Raises InputError where the policy has no margin, or the champion was
    scored on other rows or with other labels.
    """
    rule = policy.gate.champion
    if not rule.margins:
        raise InputError("`gate.champion.margins` is empty, so no comparison can decide; give `roc_auc` a margin")
    if is_unchanged(predictions, champion):
        return (Check("champion", KIND, reason=UNCHANGED),)
    pair = paired(predictions, champion)
    difference, intervals = compared(pair, rule, policy.evaluate.seed)
    by_bound = policy.gate.decide_on == "bound"
    checks = [
        check_of_difference(metric, intervals[metric], rule, by_bound)
        for metric in FOR_CHAMPIONS
        if metric in intervals
    ]
    own, other, alike = difference.challenger, difference.champion, difference.score_correlation
    has_equal_scores = np.array_equal(pair.challenger, pair.champion)
    return tuple(
        beside_both(check, own, other, has_equal_scores, alike) if check.metric == "roc_auc" else check
        for check in checks
    )


def new_data_rule(rule: Champion, new_data: NewData) -> Literal["thresholds", "block"]:
    """What decides on data that are defined anew, by the policy."""
    return rule.new_data or ("thresholds" if new_data.after_synthetic else "block")


def check_of_new_data(new_data: NewData, rule: Champion) -> Check:
    """The check where no champion is comparable: not applicable where the thresholds decide, else a block."""
    if new_data_rule(rule, new_data) == "thresholds":
        return Check("champion", KIND, reason=f"{ANEW}, the thresholds alone decide: {new_data.sentence}")
    reason = f"{ANEW}, so no champion is comparable: {new_data.sentence}; {HOW_TO_DECIDE_ANEW}"
    return Check("champion", KIND, status="block", reason=reason)


def is_unchanged(predictions: Predictions, champion: Predictions) -> bool:
    """Whether both are of one model, by its digest."""
    return champion.model is not None and champion.model == predictions.model


def _absent(evidence: Evidence, rule: Champion) -> Check:
    if evidence.first_model:
        return Check("champion", KIND, reason=DECLARED)
    if rule.source == "none":
        return Check("champion", KIND, reason="gate.champion.source is none: the thresholds alone decide")
    reason = (
        f"gate.champion.source is {rule.source}, but there is no champion to compare with: {HOW[rule.source]} "
        "with --champion, or declare the first model with --first-model"
    )
    return Check("champion", KIND, status="block", reason=reason)


def check_of_difference(metric: str, found: Interval, rule: Champion, by_bound: bool) -> Check:
    """The check that the interval of a difference (challenger minus champion) gives by the policy's margin."""
    margin = rule.margins.get(metric)
    name = f"{metric} champion"
    check = Check(
        name, KIND, metric, None, found.value, found.low, found.high, interval=found.status, confidence=rule.confidence
    )
    if margin is None:
        return replace(check, reason="shown only: no margin is configured for it")
    higher = METRICS[metric].direction == "higher"
    op: Operator = ">=" if higher else "<="
    check = replace(check, op=op, threshold=-margin if higher else margin)
    if found.value is None or found.low is None or found.high is None:
        return replace(check, status="block", reason=f"the difference is not defined ({found.status})")
    worst, best = (found.low, found.high) if higher else (-found.high, -found.low)
    status: Status
    if worst >= -margin:
        status, reason = "pass", f"not worse than the champion by more than {margin:g}"
    elif best < -margin:
        status, reason = "block", f"worse than the champion by more than {margin:g}"
    else:
        status = "inconclusive" if by_bound else "block"
        reason = (
            f"not shown to be at most {margin:g} worse than the champion: the interval of the difference reaches beyond"
        )
    if found.status not in ("ok", "identical-ranking", "identical-scores"):
        reason += f"; the interval's coverage is not promised ({found.status})"
    return replace(check, status=status, reason=reason)


def beside_both(
    check: Check, challenger: float, champion: float, has_equal_scores: bool, correlation: float | None
) -> Check:
    """The check of the difference of two ROC-AUCs with both of them in its reason, and how alike the scores are."""
    text = f"{challenger:.4f} against {champion:.4f}"
    if has_equal_scores:
        text += ", every score equals the champion's although it is another model"
    elif correlation is not None:
        text += f", rank correlation of the scores {correlation:.3f}"
    return replace(check, reason=f"{check.reason} ({text})")
