"""Mutants of what decides, drawn by a seed, and the share of them that a test kills.

mutmut makes the mutants, and each is run in a process of its own with the tests that reach its function. A mutant that only
changes a text of two words or more, a sentence for people, is left out of the draw, and counted: its difference to the
original disappears where both have every such text blanked. Nothing in the code is exempt.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from mutation.draw import Draw, Mutant, draw_mutants, made_mutants
from mutation.trial import Outcome, Trial

from lockgate.metrics.curves import wilson

ROOT = Path(__file__).resolve().parents[2]
# What decides: the gate, the rule of drift and what it counts, the documents, and what the registry does with a model.
DECIDING = (
    "lockgate/gate/*",
    "lockgate/gate/checks/*",
    "lockgate/data/outcomes.py",
    "lockgate/drift/bins.py",
    "lockgate/drift/calibration.py",
    "lockgate/drift/cells.py",
    "lockgate/drift/drift_rule.py",
    "lockgate/drift/effects.py",
    "lockgate/drift/estimated_performance.py",
    "lockgate/drift/exact_test.py",
    "lockgate/drift/family_error.py",
    "lockgate/drift/feature_entries.py",
    "lockgate/drift/feature_pairs.py",
    "lockgate/drift/gamma_quantile.py",
    "lockgate/drift/label_drift.py",
    "lockgate/drift/measured_performance.py",
    "lockgate/drift/measurement.py",
    "lockgate/drift/model_drift.py",
    "lockgate/drift/performance.py",
    "lockgate/drift/psi.py",
    "lockgate/drift/segments.py",
    "lockgate/drift/vintages.py",
    "lockgate/documents/*",
    "lockgate/registry/promote.py",
    "lockgate/registry/promotions.py",
    "lockgate/registry/register.py",
    "lockgate/registry/registry.py",
)
# The tests of these rooms and of those that rest on them directly; what other tests would notice counts for nothing here.
TESTS = (
    "tests/cli/test_compare.py",
    "tests/cli/test_policy.py",
    "tests/unit/test_bundle.py",
    "tests/unit/test_champion_checks.py",
    "tests/unit/test_damaged_files.py",
    "tests/unit/test_data_checks.py",
    "tests/unit/test_decisions.py",
    "tests/unit/test_document.py",
    "tests/unit/test_drift_measurement.py",
    "tests/unit/test_drift_rule.py",
    "tests/unit/test_effects.py",
    "tests/unit/test_escaping.py",
    "tests/unit/test_estimated_performance.py",
    "tests/unit/test_evaluation.py",
    "tests/unit/test_exact_test.py",
    "tests/unit/test_fairness_checks.py",
    "tests/unit/test_gamma_quantile.py",
    "tests/unit/test_gate_json.py",
    "tests/unit/test_judge.py",
    "tests/unit/test_label_drift.py",
    "tests/unit/test_leakage_checks.py",
    "tests/unit/test_made_documents.py",
    "tests/unit/test_measured_performance.py",
    "tests/unit/test_model_drift.py",
    "tests/unit/test_names.py",
    "tests/unit/test_new_data.py",
    "tests/unit/test_order_statistics.py",
    "tests/unit/test_outcomes.py",
    "tests/unit/test_performance.py",
    "tests/unit/test_power.py",
    "tests/unit/test_profile.py",
    "tests/unit/test_promotions.py",
    "tests/unit/test_psi.py",
    "tests/unit/test_quality_gate.py",
    "tests/unit/test_recheck.py",
    "tests/unit/test_register.py",
    "tests/unit/test_registry.py",
    "tests/unit/test_report_documents.py",
    "tests/unit/test_report_drift.py",
    "tests/unit/test_report_markdown.py",
    "tests/unit/test_segments.py",
    "tests/unit/test_signed_verdict.py",
    "tests/unit/test_slice_checks.py",
    "tests/unit/test_staleness.py",
    "tests/unit/test_terminal.py",
    "tests/unit/test_text.py",
    "tests/unit/test_threshold_checks.py",
    "tests/unit/test_vintages.py",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each survivor as a difference, and the share killed; ends with 1 where it is under `--floor`."""
    parser = argparse.ArgumentParser(
        prog="scripts/mutate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=400, help="mutants to draw (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="mutants at once (default: %(default)s)")
    parser.add_argument("--floor", type=float, default=0.95, help="share to be killed (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=120, help="for all of it (default: %(default)s)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=40,
        help="of tests for a mutant: the quickest that reach it (default: %(default)s)",
    )
    parser.add_argument("--only", nargs="+", default=DECIDING, help="patterns of the files to change")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="files of tests to run")
    options = parser.parse_args(arguments)

    start = time.monotonic()
    draw = draw_mutants(made_mutants(ROOT, options.only), options.seed, options.count)
    print(
        f"{draw.made:,} mutants made; seed {options.seed} drew {len(draw.mutants)}, passing over {draw.of_words} that "
        "only change a text of two words or more",
        flush=True,
    )
    trial = Trial(draw.mutants, options.seconds, options.minutes, options.workers)
    code = pytest.main(["-q", "-p", "no:randomly", *options.tests], plugins=[trial])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return int(code)
    return report(draw, trial.outcomes, options.floor, time.monotonic() - start)


def report(draw: Draw, outcomes: Mapping[Mutant, Outcome], floor: float, seconds: float) -> int:
    """Print what became of the mutants; the exit code."""
    found: list[tuple[Mutant, Outcome]] = []
    for mutant in draw.mutants:
        if mutant not in outcomes:
            break
        found.append((mutant, outcomes[mutant]))
    tried = len(found)
    if not tried:
        print("no mutant was tried in time; give more --minutes")
        return 1
    for mutant, outcome in found:
        if outcome not in ("killed", "timeout"):
            print(f"{outcome}: {mutant.path} {mutant.name}\n{mutant.difference}\n")
    by_test, by_time = (sum(outcome == kind for _, outcome in found) for kind in ("killed", "timeout"))
    killed = by_test + by_time
    low, high = (float(end[0]) for end in wilson(np.array([killed / tried]), np.array([float(tried)]), 0.95))
    print(
        f"{killed} of {tried} mutants killed, {by_test} by a test that failed and {by_time} by one that did not end: "
        f"{killed / tried:.1%}, 95 % interval {low:.1%} to {high:.1%} (Wilson), in {seconds / 60:.0f} minutes"
    )
    if tried < len(draw.mutants):
        print(f"these are the first {tried} of {len(draw.mutants)}, a fair sample: there was no time for the others")
        return 1
    return int(killed < floor * tried)


if __name__ == "__main__":
    sys.exit(main())
