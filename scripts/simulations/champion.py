"""How often the champion rule is wrong: `scripts/simulate champion`."""

from __future__ import annotations

import argparse
from math import sqrt

import numpy as np
from simulations._population import correlation_within_classes, paired_sample

from lockgate.config.params import Champion
from lockgate.metrics.delong import paired_difference
from lockgate.metrics.interval import normal_quantile
from lockgate.metrics.power import blocked_when, difference_error


def pass_rate(
    n: int,
    sets: int,
    worse_by: float,
    score_correlation: float,
    rule: Champion,
    auc: float = 0.77,
    prevalence: float = 0.22,
) -> float:
    """The share of simulated test sets on which a challenger so much worse passes."""
    within = correlation_within_classes(auc, prevalence, score_correlation)
    passed = 0
    for number in range(sets):
        rng = np.random.default_rng([n, number, round(1e4 * worse_by), round(1e4 * score_correlation)])
        label, challenger, champion = paired_sample(rng, n, prevalence, (auc - worse_by, auc), within)
        low = paired_difference(label, challenger, champion, rule.confidence).difference.low
        passed += low is not None and low >= -rule.margins["roc_auc"]
    return passed / sets


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[2000, 6000, 20_000])
    parser.add_argument("--correlations", type=float, nargs="+", default=[0.90, 0.95, 0.98])
    parser.add_argument("--sets", type=int, default=4000)
    parser.add_argument("--margin", type=float, default=0.01)
    parser.add_argument("--confidence", type=float, default=Champion().confidence)
    chosen = parser.parse_args()
    rule = Champion(margins={"roc_auc": chosen.margin}, confidence=chosen.confidence)
    worst = 100 * sqrt(0.04 * 0.96 / chosen.sets)
    print(f"{chosen.sets:,} test sets a line, ROC-AUC 0.77, 22 % positives, margin {chosen.margin:g},")
    print(f"two-sided confidence {chosen.confidence:g}; standard error about {worst:.2f} points\n")
    print(
        "| Rows | Score correlation | Blocks an equal model | predicted | Passes one worse by the margin | predicted |"
    )
    print("|--:|--:|--:|--:|--:|--:|")
    for n in chosen.rows:
        for correlation in chosen.correlations:
            blocks = 1 - pass_rate(n, chosen.sets, 0.0, correlation, rule)
            passes = pass_rate(n, chosen.sets, chosen.margin, correlation, rule)
            error = difference_error(0.77, 0.22, n, correlation)
            quantile = normal_quantile(rule.confidence)
            equal, worse = (blocked_when(truth, -chosen.margin, error, quantile) for truth in (0.0, -chosen.margin))
            shares = (blocks, equal, passes, 1 - worse)
            print(f"| {n:,} | {correlation:g} | " + " | ".join(f"{share:.1%}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    main()
