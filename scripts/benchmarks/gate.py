"""The statistics of the gate against scikit-learn and SciPy: metrics, DeLong and the bootstrap, with ratios.

Run as `python scripts/benchmarks/gate.py [--large]`; `--large` adds 1,000,000 rows and the peak of memory there.
Medians of a few runs on a sample with 22 % positives and ROC-AUC 0.77, ties included (scores of three decimals) or
not. Ratios are of processor time, one thread of BLAS on both sides, so a busy machine does not change them; ours uses
two threads. The scikit-learn loop is timed on a few resamples and scaled to as many as ours draws; it is shown with
and without its logistic regression, which takes most of it.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when numpy is imported

import numpy as np

from lockgate.metrics.bootstrap import bootstrap_differences, bootstrap_intervals
from lockgate.metrics.delong import auc_interval, paired_difference
from lockgate.metrics.metrics import all_metrics, expected_calibration_error
from lockgate.metrics.recalibration import logit

ROWS, RESAMPLES, LOOP = 10_000, 2000, 20


def sample(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and the scores of a model and of a near relative of it."""
    rng = np.random.default_rng(42)
    eta = -1.578 + 1.151 * rng.standard_normal(rows)
    label = (rng.random(rows) < 1 / (1 + np.exp(-eta))).astype(np.int8)
    other = eta + 0.3 * rng.standard_normal(rows)
    return label, np.round(1 / (1 + np.exp(-eta)), 3), np.round(1 / (1 + np.exp(-other)), 3)


@dataclass(frozen=True)
class Timing:
    """Seconds on the clock, and of all processors together."""

    clock: float
    processor: float


def timing(work: Callable[[], object], runs: int) -> Timing:
    """Medians of `runs` runs after one to warm up."""
    work()
    clock, processor = [], []
    for _ in range(runs):
        start, used = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return Timing(statistics.median(clock), statistics.median(processor))


def loop_metrics(label: np.ndarray, score: np.ndarray, line: bool) -> list[float]:
    """The same metrics of one copied resample by scikit-learn and SciPy, the ECE by our own function."""
    from scipy.stats import ks_2samp
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss

    slope = [LogisticRegression(C=np.inf).fit(logit(score)[:, None], label).coef_[0, 0]] if line else []
    return [
        average_precision_score(label, score),
        brier_score_loss(label, score),
        log_loss(label, score),
        ks_2samp(score[label == 1], score[label == 0], method="asymp").statistic,
        expected_calibration_error(label, score),
        *slope,
    ]


def loop(label: np.ndarray, score: np.ndarray, line: bool) -> None:
    """Resamples as they are usually drawn: copies of rows."""
    rng = np.random.default_rng(0)
    for _ in range(LOOP):
        rows = rng.integers(0, len(label), len(label))
        loop_metrics(label[rows], score[rows], line)


def report(name: str, found: Timing, references: tuple[float, ...] = ()) -> None:
    """One line of the table; ratios where there is something to compare with."""
    ratios = "".join(f"{reference / found.processor:8.0f} x" for reference in references)
    print(f"{name:<58}{found.clock * 1000:10.1f} ms{found.processor * 1000:10.1f} ms{ratios}")


def untied(score: np.ndarray) -> np.ndarray:
    """The scores with noise too small to change their order but within ties."""
    return np.random.default_rng(1).uniform(-4e-4, 4e-4, len(score)) + score.clip(5e-4, 1 - 5e-4)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="also 1,000,000 rows, about a minute")
    large = parser.parse_args().large
    warnings.filterwarnings("ignore")
    label, score, other = sample(ROWS)
    loops = tuple(
        timing(lambda w=with_: loop(label, score, w), 1).processor / LOOP * RESAMPLES for with_ in (True, False)
    )
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {ROWS:,} rows, {RESAMPLES:,} resamples")
    print(f"scikit-learn loop: six metrics {loops[0]:.1f} s, five without the logistic regression {loops[1]:.1f} s")
    print(f"{'':<58}{'clock':>13}{'processor':>13}{'six':>10}{'five':>10}")
    report("all metrics", timing(lambda: all_metrics(label, score), 9))
    report("DeLong, one model", timing(lambda: auc_interval(label, score), 9))
    report("DeLong, a pair", timing(lambda: paired_difference(label, score, other), 9))
    for name, scores in (("with ties", score), ("without ties", untied(score))):
        found = timing(lambda s=scores: bootstrap_intervals(label, s, seed=1, resamples=RESAMPLES), 3)
        report(f"bootstrap of six metrics, {name}", found, loops)
    report(
        "bootstrap of two metrics of a pair",
        timing(lambda: bootstrap_differences(label, score, other, seed=1, resamples=RESAMPLES), 3),
    )
    if large:
        label, score, other = sample(1_000_000)
        score = untied(score)
        report("1,000,000 rows: all metrics", timing(lambda: all_metrics(label, score), 1))
        report("1,000,000 rows: DeLong, a pair", timing(lambda: paired_difference(label, score, other), 1))
        found = timing(lambda: bootstrap_intervals(label, score, seed=1, resamples=100), 1)
        report("1,000,000 rows: bootstrap of six metrics, 100 resamples", found)
        print(f"peak of memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
