"""Metrics against scikit-learn and SciPy on inputs with ties, the bits of shuffled rows, and every refusal."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from fractions import Fraction

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from lockgate.config.errors import InputError
from lockgate.config.metric_names import METRICS
from lockgate.metrics import metrics
from lockgate.metrics.metrics import all_metrics
from lockgate.metrics.scored import equal_mass_bins, tally

KEYS = [
    "roc_auc",
    "pr_auc",
    "brier",
    "gini",
    "ks",
    "ece",
    "tjur_r2",
    "log_loss",
    "n",
    "positives",
    "prevalence",
    "mean_score",
]
FUNCTION_OF = {
    "roc_auc": metrics.roc_auc,
    "pr_auc": metrics.average_precision,
    "brier": metrics.brier,
    "gini": metrics.gini,
    "ks": metrics.ks,
    "ece": metrics.expected_calibration_error,
    "tjur_r2": metrics.tjur_r2,
    "log_loss": metrics.log_loss,
}
FUNCTIONS = list(FUNCTION_OF.values())
RANKING = [metrics.roc_auc, metrics.average_precision, metrics.gini, metrics.ks]
PROBABILITY = [metrics.brier, metrics.tjur_r2, metrics.log_loss, metrics.expected_calibration_error]


@st.composite
def samples(draw, weighted=False):
    """Labels of both classes, scores with many ties and extremes, and weights, some of them zero."""
    n = draw(st.integers(2, 60))
    seed = draw(st.integers(0, 2**32 - 1))
    decimals = draw(st.sampled_from([0, 1, 2, 3, 17]))
    extreme = draw(st.sampled_from([0.0, 0.2, 0.9]))
    rng = np.random.default_rng(seed)
    score = np.round(rng.random(n), decimals)
    pushed = rng.random(n) < extreme
    score[pushed] = rng.choice([0.0, 1.0, 1e-300, 1e-16, 1 - 1e-16, 0.5], pushed.sum())
    label = (rng.random(n) < draw(st.sampled_from([0.05, 0.3, 0.9]))).astype(int)
    label[:2] = 0, 1
    if not weighted:
        return label, score, None
    weight = np.round(rng.random(n) * 10.0 ** rng.integers(-1, 4), 2)
    weight[rng.random(n) < 0.1] = 0
    weight[:2] = rng.random(2) + 0.01
    return label, score, weight


@given(st.one_of(samples(), samples(weighted=True)))
def test_metrics_equal_scikit_learn(sample):
    label, score, weight = sample
    found = all_metrics(label, score, weight)
    expected = {
        "roc_auc": reference.roc_auc_score(label, score, sample_weight=weight),
        "pr_auc": reference.average_precision_score(label, score, sample_weight=weight),
        "brier": reference.brier_score_loss(label, score, sample_weight=weight),
        "gini": 2 * reference.roc_auc_score(label, score, sample_weight=weight) - 1,
        "tjur_r2": np.subtract(
            *(
                np.average(score[label == one], weights=None if weight is None else weight[label == one])
                for one in (1, 0)
            )
        ),
        "log_loss": reference.log_loss(label, score, sample_weight=weight),
        "prevalence": np.average(label, weights=weight),
        "mean_score": np.average(score, weights=weight),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name


@given(samples())
def test_ks_equals_scipy(sample):
    label, score, _ = sample
    expected = ks_2samp(score[label == 1], score[label == 0], method="exact").statistic
    assert metrics.ks(label, score) == pytest.approx(expected, abs=1e-12)


@given(samples(), st.integers(0, 2**32 - 1))
def test_whole_weights_are_copies_of_rows(sample, seed):
    label, score, _ = sample
    weight = np.random.default_rng(seed).integers(0, 4, len(label))
    weight[:2] += 1
    weighted = all_metrics(label, score, weight)
    copied = all_metrics(np.repeat(label, weight), np.repeat(score, weight))
    for name in KEYS:
        if name not in ("n", "positives"):
            assert weighted[name] == pytest.approx(copied[name], abs=1e-12), name
    assert weighted["n"] == (weight > 0).sum()
    assert weighted["positives"] == (label * weight > 0).sum()


@given(st.one_of(samples(), samples(weighted=True)), st.integers(0, 2**32 - 1))
def test_shuffled_rows_give_the_same_bits(sample, seed):
    label, score, weight = sample
    order = np.random.default_rng(seed).permutation(len(label))
    shuffled = all_metrics(label[order], score[order], None if weight is None else weight[order])
    assert repr(all_metrics(label, score, weight)) == repr(shuffled)


def test_shuffled_rows_give_the_same_bits_in_a_large_weighted_sample_with_ties():
    rng = np.random.default_rng(5)
    label, score, weight = rng.integers(0, 2, 50_000), np.round(rng.random(50_000), 2), rng.lognormal(size=50_000)
    order = rng.permutation(50_000)
    assert repr(all_metrics(label, score, weight)) == repr(all_metrics(label[order], score[order], weight[order]))


def test_negative_zero_is_zero():
    assert repr(all_metrics([0, 1], [-0.0, -0.0])) == repr(all_metrics([0, 1], [0.0, 0.0]))


@given(samples())
def test_calibration_error_equals_a_reference_in_fractions(sample):
    label, score, _ = sample
    n, bins = len(label), {}
    for value in sorted(set(score.tolist())):
        here = [(y, s) for y, s in zip(label.tolist(), score.tolist(), strict=True) if s == value]
        middle = Fraction(int((score < value).sum())) + Fraction(len(here), 2)
        bins.setdefault(min(int(middle * 10 / n), 9), []).extend(here)
    expected = sum(abs(sum(Fraction(y) - Fraction(s) for y, s in rows)) for rows in bins.values()) / n
    assert metrics.expected_calibration_error(label, score) == pytest.approx(float(expected), abs=1e-12)


def test_bins_hold_equal_counts_without_ties_and_one_bin_all_rows_of_one_score():
    rng = np.random.default_rng(1)
    rows = tally(rng.integers(0, 2, 70), rng.random(70))
    assert np.bincount(equal_mass_bins(rows, 10)).tolist() == [7] * 10
    assert metrics.expected_calibration_error([0, 1, 1, 1], [0.5] * 4) == 0.25


def test_all_metrics_has_its_keys_in_order_and_plain_numbers():
    found = all_metrics([0, 1, 1, 0], [0.1, 0.9, 0.4, 0.4])
    assert list(found) == KEYS
    assert {type(value) for value in found.values()} == {int, float}
    assert (found["n"], found["positives"], found["prevalence"]) == (4, 2, 0.5)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_gives_what_all_metrics_gives(function):
    rng = np.random.default_rng(2)
    label, score, weight = rng.integers(0, 2, 50), np.round(rng.random(50), 1), rng.random(50)
    named = {function: name for name, function in FUNCTION_OF.items()}
    assert function(label, score, weight) == all_metrics(label, score, weight)[named[function]]


@pytest.mark.parametrize("scale", [1e-300, 0.3, 1e300])
def test_metrics_do_not_depend_on_the_scale_of_the_weights(scale):
    rng = np.random.default_rng(3)
    label, score, weight = rng.integers(0, 2, 50), np.round(rng.random(50), 1), rng.random(50)
    assert list(all_metrics(label, score, weight * scale).values()) == pytest.approx(
        list(all_metrics(label, score, weight).values()), rel=1e-12
    )


@pytest.mark.parametrize("function", RANKING)
def test_ranking_metrics_take_any_finite_score_and_see_only_its_order(function):
    rng = np.random.default_rng(4)
    label, score = rng.integers(0, 2, 40), np.round(rng.random(40), 1)
    assert function(label, 1e6 * score - 7) == function(label, score)


@pytest.mark.parametrize("label", [[False, True, True], np.array([0, 1, 1], np.int8), [0.0, 1.0, 1.0]])
def test_labels_may_be_of_any_type_of_number(label):
    assert metrics.roc_auc(label, np.array([0.1, 0.5, 0.7], np.float32)) == 1.0


NAN, INF = float("nan"), float("inf")
REFUSALS = {
    "no rows": (([], []), "y_true has no rows"),
    "score length": (([0, 1], [0.5]), "y_score has 1 rows and y_true has 2"),
    "weight length": (([0, 1], [0.5, 0.5], [1, 1, 1]), "weight has 3 rows and y_true has 2"),
    "NaN score": (([0, 1, 1], [0.5, NAN, NAN]), "y_score holds 2 values missing or infinite, the first in row 1"),
    "infinite score": (([0, 1], [0.5, INF]), "y_score holds 1 value missing or infinite, the first in row 1"),
    "label 2": (([0, 2], [0.5, 0.5]), "y_true holds 1 value other than 0 and 1"),
    "label NaN": (([0, NAN], [0.5, 0.5]), "y_true holds 1 value other than 0 and 1"),
    "text": ((["a", "b"], [0.5, 0.5]), "y_true is not a column of numbers"),
    "None": (([0, 1], [0.5, {}]), "y_score is not a column of numbers"),
    "two dimensions": (([0, 1], [[0.5, 0.5]]), "y_score has 2 dimensions"),
    "ones only": (([1, 1], [0.5, 0.6]), "y_true holds one class only (1)"),
    "zeros only": (([0, 0], [0.5, 0.6]), "y_true holds one class only (0)"),
    "one row": (([0], [0.5]), "y_true holds one class only (0)"),
    "class without weight": (([0, 1], [0.5, 0.6], [0, 1]), "y_true holds one class only (1)"),
    "negative weight": (([0, 1], [0.5, 0.6], [1, -1]), "weight holds 1 value negative, the first in row 1"),
    "NaN weight": (([0, 1], [0.5, 0.6], [1, NAN]), "weight holds 1 value missing or infinite"),
    "infinite weight": (([0, 1], [0.5, 0.6], [1, INF]), "weight holds 1 value missing or infinite"),
    "zero weights": (([0, 1], [0.5, 0.6], [0, 0]), "weight is zero in every row"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("function", [all_metrics, *FUNCTIONS])
def test_bad_input_is_refused_in_one_line(function, name):
    arguments, message = REFUSALS[name]
    with pytest.raises(InputError) as refused:
        function(*arguments)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("function", [all_metrics, *PROBABILITY])
@pytest.mark.parametrize("score", [-0.01, 1.01])
def test_scores_that_are_no_probabilities_are_refused_where_one_is_needed(function, score):
    with pytest.raises(InputError, match=r"y_score holds 1 value outside 0\.\.1, the first in row 0"):
        function([0, 1], [score, 0.5])


def test_the_registry_says_which_way_is_better_and_cannot_be_changed():
    assert [name for name, metric in METRICS.items() if metric.direction == "lower"] == ["brier", "ece", "log_loss"]
    assert list(METRICS) == KEYS[:8]
    with pytest.raises(FrozenInstanceError):
        METRICS["brier"].direction = "higher"


@pytest.mark.parametrize("name", METRICS)
def test_the_best_and_worst_scores_stay_in_the_valid_range_and_in_the_direction_given(name):
    label = np.arange(20) % 2
    best, worst = FUNCTION_OF[name](label, label), FUNCTION_OF[name](label, 1 - label)
    low, high = METRICS[name].valid_range
    assert low <= min(best, worst) <= max(best, worst) <= high
    if name != "ks":  # the gap is as wide for a score turned round
        assert (best > worst) == (METRICS[name].direction == "higher")


def test_the_core_of_the_gate_imports_nothing_heavy():
    code = (
        "import sys, lockgate.metrics.bootstrap, lockgate.metrics.curves, lockgate.metrics.delong; "
        "print(sorted({'sklearn', 'scipy', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
