"""What immature outcomes would do: a model that is right, decisions every day, and outcomes that come when they come.

The riskier a loan, the earlier it defaults; that it did not is known at the end of its term. "All that are known" takes each
outcome from the day on which it is known, "matured" is what `lockgate drift` takes.
"""

from __future__ import annotations

import argparse
from math import sqrt
from typing import NamedTuple

import numpy as np
import pandas as pd
from msgspec.structs import replace
from numpy.typing import NDArray
from simulations._nights import share

from lockgate.config.params import Drift, DriftPerformance, Evaluate
from lockgate.documents.drift_json import MOVED, PerformanceDrift
from lockgate.drift.calibration import fit_calibration
from lockgate.drift.family_error import feature_error, vintage_family_error
from lockgate.drift.label_drift import count_labels, label_drift
from lockgate.drift.measured_performance import actual_performance, performance_of
from lockgate.drift.performance import gate_thresholds, measured_drift
from lockgate.drift.profile import drift_rule
from lockgate.drift.vintages import DecisionOutcomes, decision_outcomes

MODEL = "a" * 64
TERM = 90  # days
MATURITY = TERM
TRUE_LOANS = 4_000_000  # of which the truth is measured
FIRST_DAY = pd.Timestamp("2026-01-01", tz="UTC")
REFERENCE_ROWS = 15_000
FEATURES = 24
TAKEN = ("all that are known", "matured")
MEASURED = ("event rate", "ROC-AUC", "Brier")
MOST_ERRORS = 3.0  # standard errors of the mean within which a bias is none

Floats = NDArray[np.float64]


class Loans(NamedTuple):
    """Scores, which are the true chances of a default; whether each defaults; and the day of its term on which that is known."""

    scores: Floats
    defaults: Floats
    known_after: Floats


class Night(NamedTuple):
    """How far each of `MEASURED` is from the truth, whether the label's rate warns, and whether a month's performance does."""

    bias: tuple[float, ...]
    warns: bool
    month_warns: bool


def loans(rows: int, random: np.random.Generator) -> Loans:
    """Loans of which about 22 % default, ranked with a ROC-AUC of about 0.77."""
    scores = 1.0 / (1.0 + np.exp(-random.normal(-1.55, 1.15, rows)))
    defaults = (random.random(rows) < scores).astype(np.float64)
    early = random.random(rows) ** (0.5 + 2.0 * scores)  # a share of the term, smaller for the riskier
    return Loans(scores, defaults, np.where(defaults == 1.0, TERM * early, TERM))


def portfolio(loan: Loans, days: int, random: np.random.Generator) -> DecisionOutcomes:
    """Decisions on the loans of the last `days` days, with the outcomes that are known today."""
    today = FIRST_DAY + pd.Timedelta(days=days)
    age = random.uniform(0.0, days, len(loan.scores))
    log = pd.DataFrame(
        {
            "lockgate_time": today - pd.to_timedelta(age, unit="D"),
            "lockgate_digest": MODEL,
            "lockgate_decision": "favourable",
            "default": np.where(loan.known_after <= age, loan.defaults, np.nan),
        }
    )
    found = decision_outcomes(log, "default", MODEL, today.to_pydatetime(), DriftPerformance(maturity_days=MATURITY))
    assert found is not None  # noqa: S101
    return found


def measured(labels: Floats, scores: Floats) -> tuple[float, ...]:
    """Event rate, ROC-AUC and Brier score."""
    found = actual_performance(labels, scores)
    assert found is not None and found.roc_auc.value is not None and found.brier.value is not None  # noqa: S101, PT018
    return found.positives / found.n, found.roc_auc.value, found.brier.value


def night(rows: int, days: int, truth: tuple[float, ...], random: np.random.Generator) -> dict[str, Night]:
    """A night on which nothing is wrong, by what is taken of its outcomes."""
    rule, error = drift_rule(Drift()), feature_error(Drift().family_error, FEATURES)
    held_out = loans(REFERENCE_ROWS, random)
    reference = count_labels(held_out.defaults)
    loan = loans(rows, random)
    decisions = portfolio(loan, days, random)
    made = {}
    for name, labels in zip(TAKEN, (decisions.labels, decisions.matured_labels), strict=True):
        values = measured(labels, loan.scores)
        warns = label_drift("default", reference, count_labels(labels), error, rule).status == "warn"
        bias = tuple(one - true for one, true in zip(values, truth, strict=True))
        made[name] = Night(bias, warns, name == "matured" and a_month_warns(decisions, loan.scores, held_out))
    return made


def a_month_warns(decisions: DecisionOutcomes, scores: Floats, held_out: Loans) -> bool:
    """Whether the performance of any month warns or alerts, as `lockgate drift` judges it."""
    rule = drift_rule(Drift())
    rule = replace(rule, family_error=vintage_family_error(rule.family_error, decisions.judged_months))
    calibration = fit_calibration(held_out.defaults, held_out.scores)
    registered = performance_of(held_out.defaults, held_out.scores)

    def judge(labels: Floats, of_month: Floats) -> PerformanceDrift | None:
        return measured_drift(labels, of_month, calibration, registered, gate_thresholds(Evaluate()), rule)

    return any(one.status in MOVED for one in decisions.vintages(scores, judge))


def table(rounds: int, rows: int, days: int, seed: int) -> tuple[list[str], bool]:
    """A line for each way to take outcomes, and whether the matured ones are without bias and seldom warn."""
    random = np.random.default_rng(seed)
    many = loans(TRUE_LOANS, random)
    truth = measured(many.defaults, many.scores)
    nights = [night(rows, days, truth, random) for _ in range(rounds)]
    lines, holds = [], False
    for name in TAKEN:
        biases = np.array([one[name].bias for one in nights])
        warned = [int(one[name].warns) for one in nights]
        means, errors = biases.mean(axis=0), biases.std(axis=0, ddof=1) / sqrt(rounds)
        shown = " | ".join(f"{mean:+.4f} ({error:.4f})" for mean, error in zip(means, errors, strict=True))
        months = share([int(one[name].month_warns) for one in nights], 1) if name == "matured" else "-"
        lines.append(f"| {days:,} | {name} | {shown} | {share(warned, 1)} | {months} |")
        if name == "matured":
            both = np.mean([one[name].warns or one[name].month_warns for one in nights])
            holds = bool((np.abs(means) <= MOST_ERRORS * errors).all()) and bool(both <= Drift().family_error)
    return lines, holds


def main() -> None:
    """Print the table; exit with 1 where matured outcomes have a bias, or warn."""
    parser = argparse.ArgumentParser(prog="scripts/simulate vintages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--rows", type=int, default=6_000, help="decisions of each portfolio (default: 6,000)")
    parser.add_argument(
        "--days", type=int, nargs="+", default=[120, 180, 365], help="of decisions (default: 120 180 365)"
    )
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    measures = " | ".join(f"{one}, measured - true (s.e.)" for one in MEASURED)
    print(f"| Days of decisions | Outcomes taken | {measures} | The label's rate warns [95 %] | A month warns [95 %] |")
    print("|--:|:--|--:|--:|--:|--:|--:|")
    kept = True
    for days in given.days:
        lines, holds = table(given.rounds, given.rows, days, given.seed)
        print("\n".join(lines), flush=True)
        kept = kept and holds
    if not kept:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
