"""How often `lockgate drift` is wrong: clean nights that warn, and real changes that do not."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np
from simulations._batches import TARGET, draw_batch, freeze

from lockgate.config.params import Drift
from lockgate.documents.profile_json import LabelCounts
from lockgate.drift.bins import bin_counts, bin_edges
from lockgate.drift.drift_rule import judge
from lockgate.drift.family_error import feature_error
from lockgate.drift.label_drift import label_drift, wilson
from lockgate.drift.measurement import measure_against_profile
from lockgate.drift.profile import drift_rule

RULE = drift_rule(Drift())
ROWS = (200, 1_000, 10_000)
SHIFTS = (0.1, 0.25, 0.5)
RATE = 0.22
ERROR = feature_error(RULE.family_error, 25)  # of each of 24 features, the score and the label
RATES = (1.25, 1.5)  # factors of the odds of a positive label
MOST_FALSE_ALARMS, LEAST_CAUGHT = 0.05, 0.95
PROMISED_SHIFT, PROMISED_ROWS = 0.25, 1_000
WARNED = ("warn", "alert")


@dataclass(frozen=True)
class Plan:
    """How much to simulate. Each reference is frozen once and sees `nights_each` nights."""

    nights: int = 1_000
    references: int = 100
    reference_rows: int = 15_000
    seed: int = 1

    @property
    def nights_each(self) -> int:
        """Nights that a reference sees."""
        return self.nights // self.references

    @property
    def total(self) -> int:
        """Nights simulated: the number given, rounded down to a multiple of the references."""
        return self.nights_each * self.references

    def random(self, *key: int) -> np.random.Generator:
        """A stream of its own for each of the things simulated."""
        return np.random.Generator(np.random.PCG64([self.seed, *key]))


@dataclass
class CleanNights:
    """Nights without any change that warned, by which rule, and how many the usual rule would have on numbers alone."""

    warned: int = 0
    by_psi: int = 0
    by_unseen: int = 0
    by_label: int = 0
    fixed_rule: int = 0


def false_alarms(rows: int, plan: Plan) -> CleanNights:
    """Whole `drift.json`s: 24 features, the score and the label, against a reference without any difference."""
    random, found = plan.random(0, rows), CleanNights()
    for _ in range(plan.references):
        profile = freeze(draw_batch(random, plan.reference_rows))
        for _ in range(plan.nights_each):
            batch = draw_batch(random, rows)
            result = measure_against_profile(profile, batch.table, scores=batch.scores, target=TARGET)
            rules = {feature.rule for feature in result.features}
            found.warned += result.status in WARNED
            found.by_psi += "psi" in rules
            found.by_unseen += "unseen" in rules
            found.by_label += result.label.status in WARNED
            found.fixed_rule += any(one.psi >= RULE.warn for one in result.features if one.kind == "numeric")
    return found


def shifts_caught(rows: int, shift: float, plan: Plan) -> tuple[int, int]:
    """Nights on which a feature moved by `shift` standard deviations warns, and by how the usual rule would have."""
    random = plan.random(1, rows, round(1_000 * shift))
    caught = fixed = 0
    for _ in range(plan.references):
        reference = random.normal(size=plan.reference_rows)
        edges = bin_edges(reference, Drift().bins)
        before = tuple(bin_counts(reference, edges).tolist())
        for _ in range(plan.nights_each):
            now = tuple(bin_counts(random.normal(size=rows) + shift, edges).tolist())
            judged = judge(before, now, 0, ERROR, RULE)
            caught += judged.status in WARNED
            fixed += judged.psi >= RULE.warn
    return caught, fixed


def rates_caught(rows: int, odds: float, plan: Plan) -> int:
    """Nights on which the odds of a positive label, multiplied by `odds`, warn."""
    random = plan.random(2, rows, round(1_000 * odds))
    changed = RATE * odds / (1.0 - RATE + RATE * odds)
    caught = 0
    for _ in range(plan.references):
        before = LabelCounts(plan.reference_rows, random.binomial(plan.reference_rows, RATE))
        for _ in range(plan.nights_each):
            now = LabelCounts(rows, random.binomial(rows, changed))
            caught += label_drift(TARGET, before, now, ERROR, RULE).status in WARNED
    return caught


def share(part: int, whole: int) -> str:
    """As a percentage with its 95 % interval."""
    low, high = wilson(LabelCounts(whole, part))
    return f"{100 * part / whole:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def print_clean(plan: Plan) -> list[str]:
    """The table of false alarms; what was promised and not kept."""
    print(
        "| Current rows | Clean nights that warn [95 %] | by PSI | by new values | by the label | PSI >= 0.1 on the numbers alone |"
    )
    print("|--:|--:|--:|--:|--:|--:|")
    missed = []
    for rows in ROWS:
        one = false_alarms(rows, plan)
        parts = " | ".join(str(part) for part in (one.by_psi, one.by_unseen, one.by_label))
        print(
            f"| {rows:,} | {share(one.warned, plan.total)} | {parts} | {share(one.fixed_rule, plan.total)} |",
            flush=True,
        )
        if one.warned > MOST_FALSE_ALARMS * plan.total:
            missed.append(f"{one.warned} of {plan.total} clean nights of {rows:,} rows warn")
    return missed


def print_caught(plan: Plan) -> list[str]:
    """The table of changes that are caught; what was promised and not kept."""
    print("\n| Change | Current rows | Caught [95 %] | PSI >= 0.1 |\n|:--|--:|--:|--:|")
    missed = []
    for shift in SHIFTS:
        for rows in ROWS:
            caught, fixed = shifts_caught(rows, shift, plan)
            what = f"a feature by {shift:g} standard deviations"
            print(f"| {what} | {rows:,} | {share(caught, plan.total)} | {share(fixed, plan.total)} |", flush=True)
            if (shift, rows) == (PROMISED_SHIFT, PROMISED_ROWS) and caught < LEAST_CAUGHT * plan.total:
                missed.append(f"{what} at {rows:,} rows is caught in {caught} of {plan.total} nights")
    for odds in RATES:
        for rows in ROWS:
            caught = rates_caught(rows, odds, plan)
            print(f"| odds of a positive times {odds:g} | {rows:,} | {share(caught, plan.total)} | - |", flush=True)
    return missed


def main() -> None:
    """Parse, simulate, print Markdown; exit 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(prog="scripts/simulate drift", description=__doc__)
    plan = Plan()
    parser.add_argument("--nights", type=int, default=plan.nights, help="of each kind (default: %(default)s)")
    parser.add_argument(
        "--references", type=int, default=plan.references, help="frozen profiles (default: %(default)s)"
    )
    parser.add_argument("--reference-rows", type=int, default=plan.reference_rows, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=plan.seed, help="(default: %(default)s)")
    plan = Plan(**vars(parser.parse_args()))
    if not 1 <= plan.references <= plan.nights:
        parser.error("--references must be from 1 to the number of nights")
    start = time.perf_counter()
    missed = print_clean(plan) + print_caught(plan)
    print(f"\n{time.perf_counter() - start:.0f} s", file=sys.stderr)
    for line in missed:
        print(f"not kept: {line}", file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
