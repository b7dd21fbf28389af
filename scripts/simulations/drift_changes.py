"""How often `lockgate drift` notices what goes wrong, beside the rules of thumb: in models of the worked example."""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from simulations._changes import (
    Change,
    classifier_auc,
    dead_feed,
    dead_in_region,
    outcomes_shuffled,
    outside_three_deviations,
    shuffled,
)
from simulations._nights import LABELLED, RULE_OF_THUMB, RULES, fired, share
from simulations._worlds import APPLICANTS, scored

from lockgate.config.params import Drift
from lockgate.data.synthetic import TARGET
from lockgate.documents.drift_json import MOVED
from lockgate.documents.profile_json import LabelCounts
from lockgate.drift.bins import bin_counts, bin_edges
from lockgate.drift.drift_rule import judge
from lockgate.drift.family_error import feature_error
from lockgate.drift.label_drift import label_drift
from lockgate.drift.measurement import thresholds_of
from lockgate.drift.performance import measured_drift
from lockgate.drift.profile import drift_rule
from lockgate.metrics.metrics import roc_auc
from lockgate.model.bundle import Bundle
from lockgate.model.drift import measure_drift

FALLS = (0.0, 0.02, 0.05, 0.10)
LABELS = (1_000, 5_000, 20_000)
FEED = {
    f"the feed sends {what} for {100 * part:g} % of rows": dead_feed(part, value)
    for what, value in {"0": 0.0, "nothing": np.nan}.items()
    for part in (0.05, 0.1, 0.2)
}
FEED["the feed sends 0 for one region, 7 % of rows"] = dead_in_region
PAIR = {
    "savings are another applicant's": shuffled("savings"),
    "income is another applicant's": shuffled("income"),
    "income, utilisation and savings are each another's": shuffled("income", "utilisation", "savings"),
}
ROWS = (1_000, 5_000)
EARLIER_NIGHTS = 10
TRUTH_ROWS = 50_000
CLASSIFIER_ALARM = 0.65

RULE = drift_rule(Drift())
SHIFTS = (0.1, 0.25, 0.5)
SHIFTED_ROWS = (200, 1_000, 10_000)
REFERENCE_ROWS = 15_000
ERROR = feature_error(RULE.family_error, 25)  # of one of 24 features and the score
RATE = 0.22
ODDS = (1.25, 1.5)  # factors of the odds of a positive label
PROMISED_SHIFT, PROMISED_ROWS, LEAST_CAUGHT = 0.25, 1_000, 0.95


@dataclass(frozen=True)
class Plan:
    """How much to simulate: models, and the nights that each sees of every kind and size, some of them a classifier too."""

    bundles: int = 20
    nights: int = 10
    classified: int = 1
    training_rows: int = 20_000
    rounds: int = 600
    seed: int = 2

    def bundle(self, number: int) -> Bundle:
        """The model of this number."""
        print(f"model {number + 1} of {self.bundles}", file=sys.stderr)
        return APPLICANTS.bundle(self.training_rows, self.seed * 1_000 + number, self.rounds)

    def random(self, *key: int) -> np.random.Generator:
        """A stream of its own for each of the things simulated."""
        return np.random.Generator(np.random.PCG64([self.seed, *key]))


Counts = dict[str, list[int]]  # for each rule the nights of each bundle that it caught


def falls_caught(plan: Plan, falls: Sequence[float], sizes: Sequence[int]) -> dict[tuple[float, int], Counts]:
    """By the fall of the model's true ROC-AUC, and the outcomes known of a night, of which performance alone is judged."""
    found: dict[tuple[float, int], Counts] = defaultdict(lambda: defaultdict(list))
    for number in range(plan.bundles):
        bundle = plan.bundle(number)
        profile, thresholds = bundle.profile, thresholds_of(None, bundle.profile.performance)
        truth = _auc(*scored(bundle, APPLICANTS.night(TRUTH_ROWS, plan.seed, number)))
        for rows in sizes:
            key = (plan.seed, number, rows)
            earlier = [_auc(*scored(bundle, APPLICANTS.night(rows, *key, 0, night))) for night in range(EARLIER_NIGHTS)]
            nights = [scored(bundle, APPLICANTS.night(rows, *key, 1, night)) for night in range(plan.nights)]
            for fall in falls:
                caught = dict.fromkeys(("warns", "alerts", "floor", "deviations"), 0)
                for night, (clean, scores) in enumerate(nights):
                    labels = outcomes_shuffled(clean, fall / (truth - 0.5), plan.random(number, rows, night))
                    judged = measured_drift(
                        labels, scores, profile.calibration, profile.performance, thresholds, profile.rule
                    )
                    measured = _auc(labels, scores)
                    caught["warns"] += judged is not None and judged.status in MOVED
                    caught["alerts"] += judged is not None and judged.status == "alert"
                    caught["floor"] += measured < thresholds["roc_auc"]
                    caught["deviations"] += outside_three_deviations(measured, earlier)
                for rule, count in caught.items():
                    found[fall, rows][rule].append(count)
    return found


def changes_caught(plan: Plan, changes: Mapping[str, Change], sizes: Sequence[int]) -> dict[tuple[str, int], Counts]:
    """By the change and the rows of a night, of which no outcome is known."""
    found: dict[tuple[str, int], Counts] = defaultdict(lambda: defaultdict(list))
    for number in range(plan.bundles):
        bundle = plan.bundle(number)
        reference = APPLICANTS.night(REFERENCE_ROWS, plan.seed, number)
        for (place, (name, change)), rows in product(enumerate(changes.items()), sizes):
            caught = dict.fromkeys(("night", *RULES, "thumb", "classifier"), 0)
            for night in range(plan.nights):
                clean = APPLICANTS.night(rows, plan.seed, number, rows, night).drop(columns=TARGET)
                batch = change(clean, plan.random(number, rows, night, place))
                result = measure_drift(bundle, batch)
                rules = fired(result)
                caught["night"] += bool(rules)
                for rule in rules:
                    caught[rule] += 1
                caught["thumb"] += any(one.psi >= RULE_OF_THUMB for one in result.features)
                if night < plan.classified:
                    caught["classifier"] += classifier_auc(reference, batch) > CLASSIFIER_ALARM
            for rule, nights in caught.items():
                found[name, rows][rule].append(nights)
    return found


def shifts_caught(rows: int, shift: float, references: int, nights: int, seed: int) -> tuple[list[int], list[int]]:
    """For each reference the nights on which a feature moved by `shift` standard deviations warns, and has a PSI of 0.1."""
    random = np.random.default_rng([seed, rows, round(1_000 * shift)])
    caught, thumb = [0] * references, [0] * references
    for number in range(references):
        reference = random.normal(size=REFERENCE_ROWS)
        edges = bin_edges(reference, Drift().bins)
        before = tuple(bin_counts(reference, edges).tolist())
        for _ in range(nights):
            now = tuple(bin_counts(random.normal(size=rows) + shift, edges).tolist())
            judged = judge(before, now, 0, ERROR, RULE)
            caught[number] += judged.status in MOVED
            thumb[number] += judged.psi >= RULE_OF_THUMB
    return caught, thumb


def rates_caught(rows: int, odds: float, references: int, nights: int, seed: int) -> list[int]:
    """For each reference the nights on which the odds of a positive label, multiplied by `odds`, warn."""
    random = np.random.default_rng([seed, rows, round(1_000 * odds)])
    changed = RATE * odds / (1.0 - RATE + RATE * odds)
    caught = [0] * references
    for number in range(references):
        before = LabelCounts(REFERENCE_ROWS, random.binomial(REFERENCE_ROWS, RATE))
        for _ in range(nights):
            now = LabelCounts(rows, random.binomial(rows, changed))
            caught[number] += label_drift(TARGET, before, now, ERROR, RULE).status in MOVED
    return caught


def print_falls(plan: Plan) -> None:
    """Where outcomes are known."""
    print("| ROC-AUC falls by | Known outcomes | Warns [95 %] | Alerts | Below 0.70 | Beyond 3 standard deviations |")
    print("|--:|--:|--:|--:|--:|--:|")
    for (fall, rows), caught in falls_caught(plan, FALLS, LABELS).items():
        shares = " | ".join(share(nights, plan.nights) for nights in caught.values())
        print(f"| {fall:.2f} | {rows:,} | {shares} |", flush=True)


def print_changes(plan: Plan, changes: Mapping[str, Change]) -> None:
    """Where none is."""
    shown = [rule for rule in RULES if rule not in LABELLED]
    print(f"| What goes wrong | Rows | Warns [95 %] | {' | '.join(shown)} | A PSI of 0.1 | A classifier above 0.65 |")
    print("|:--|--:|--:|" + "--:|" * (len(shown) + 2))
    nights = plan.bundles * plan.nights
    for (name, rows), caught in changes_caught(plan, changes, ROWS).items():
        parts = " | ".join(f"{100 * sum(caught[rule]) / nights:.0f} %" for rule in (*shown, "thumb"))
        classified = f"{sum(caught['classifier'])} of {plan.bundles * plan.classified}"
        print(f"| {name} | {rows:,} | {share(caught['night'], plan.nights)} | {parts} | {classified} |", flush=True)


def print_shifts(plan: Plan) -> list[str]:
    """One feature, and the label's rate, without a model; what was promised and not kept."""
    print("| Change | Current rows | Caught [95 %] | A PSI of 0.1 |\n|:--|--:|--:|--:|")
    missed = []
    for shift, rows in product(SHIFTS, SHIFTED_ROWS):
        caught, thumb = shifts_caught(rows, shift, plan.bundles, plan.nights, plan.seed)
        what = f"a feature by {shift:g} standard deviations"
        print(f"| {what} | {rows:,} | {share(caught, plan.nights)} | {share(thumb, plan.nights)} |", flush=True)
        if (shift, rows) == (PROMISED_SHIFT, PROMISED_ROWS) and sum(caught) < LEAST_CAUGHT * plan.bundles * plan.nights:
            missed.append(f"{what} at {rows:,} rows is caught in {share(caught, plan.nights)} of nights")
    for odds, rows in product(ODDS, SHIFTED_ROWS):
        caught = rates_caught(rows, odds, plan.bundles, plan.nights, plan.seed)
        print(f"| odds of a positive times {odds:g} | {rows:,} | {share(caught, plan.nights)} | - |", flush=True)
    return missed


def main() -> None:
    """Parse, simulate, print Markdown; exit 1 where the promise of `shift` is not kept."""
    parser = argparse.ArgumentParser(prog="scripts/simulate drift_changes", description=__doc__)
    plan = Plan()
    parser.add_argument("kind", choices=("fall", "feed", "pair", "shift"), help="what goes wrong")
    parser.add_argument("--bundles", type=int, default=plan.bundles, help="models (default: %(default)s)")
    parser.add_argument("--nights", type=int, default=plan.nights, help="of each, kind and size (default: %(default)s)")
    parser.add_argument(
        "--classified",
        type=int,
        default=plan.classified,
        help="nights of these that a classifier sees too (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=plan.seed, help="(default: %(default)s)")
    given = parser.parse_args()
    if min(given.bundles, given.nights) < 1 or not 0 <= given.classified <= given.nights:
        parser.error("--bundles and --nights must be at least 1, --classified from 0 to the nights")
    plan = Plan(given.bundles, given.nights, given.classified, seed=given.seed)
    start, missed = time.perf_counter(), []
    if given.kind == "fall":
        print_falls(plan)
    elif given.kind == "shift":
        missed = print_shifts(plan)
    else:
        print_changes(plan, FEED if given.kind == "feed" else PAIR)
    print(f"\n{time.perf_counter() - start:.0f} s", file=sys.stderr)
    for line in missed:
        print(f"not kept: {line}", file=sys.stderr)
    sys.exit(1 if missed else 0)


def _auc(labels: np.ndarray, scores: np.ndarray) -> float:
    return roc_auc(labels, scores)


if __name__ == "__main__":
    main()
