"""How often the gate's 95 % intervals contain the truth: `scripts/simulate coverage`."""

from __future__ import annotations

import argparse
from math import sqrt

import numpy as np
from simulations._population import calibrated_sample, calibrated_truth

from lockgate.metrics.bootstrap import bootstrap_intervals
from lockgate.metrics.delong import auc_interval
from lockgate.metrics.linearised import linearised_intervals

KINDS = ("bootstrap", "linearised")


def coverage(
    n: int, sets: int, resamples: int, kind: str = "bootstrap", seed: int = 0
) -> dict[str, tuple[int, int, int]]:
    """For each metric how many intervals contain the truth, lie below it and lie above it."""
    truth = calibrated_truth()
    counts = dict.fromkeys(truth, (0, 0, 0))
    for number in range(sets):
        label, score = calibrated_sample(np.random.default_rng([seed, n, number]), n)
        found = {"roc_auc": auc_interval(label, score)}
        if kind == "bootstrap":
            found |= bootstrap_intervals(label, score, seed=number, resamples=resamples)
        else:
            found |= linearised_intervals(label, score)
        for name, value in truth.items():
            low, high = found[name].low, found[name].high
            below, above = high is not None and high < value, low is not None and low > value
            held, under, over = counts[name]
            counts[name] = (held + (not below and not above), under + below, over + above)
    return counts


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 2000, 10_000])
    parser.add_argument("--sets", type=int, default=2000, help="simulated test sets a size")
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="of the test sets")
    parser.add_argument("--kind", choices=KINDS, default="bootstrap", help="of all but ROC-AUC, which is DeLong's")
    chosen = parser.parse_args()
    error = 100 * sqrt(0.95 * 0.05 / chosen.sets)
    print(
        f"{chosen.sets:,} test sets a size, {chosen.kind}, {chosen.resamples:,} resamples; standard error {error:.2f} points\n"
    )
    print("| Rows | Metric | Coverage | Interval below the truth | Interval above the truth |\n|--:|:--|--:|--:|--:|")
    for n in chosen.rows:
        for name, counts in coverage(n, chosen.sets, chosen.resamples, chosen.kind, chosen.seed).items():
            held, under, over = (f"{100 * count / chosen.sets:.1f} %" for count in counts)
            print(f"| {n:,} | {name} | {held} | {under} | {over} |", flush=True)


if __name__ == "__main__":
    main()
