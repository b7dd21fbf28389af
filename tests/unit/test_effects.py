"""What a feature's move does: against a reweighting of the held-out rows one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from lockgate.documents.drift_json import FeatureEffect
from lockgate.documents.profile_json import BinScores, Calibration
from lockgate.documents.schema_json import DecisionRule
from lockgate.drift.effects import HeldOutScores, feature_effect
from lockgate.model.drift import measure_drift

BINS, ROWS = 6, 700
DECISION = DecisionRule(0.25, "below")
CALIBRATION = Calibration(ROWS, -0.3, 0.8, (0.01, 0.0, 0.01))


def held_out(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The bins of the rows, of which the last is empty, and their scores in whole billionths, as sums keep them."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, BINS - 1, ROWS).astype(np.int32)
    return codes, np.round(random.beta(2.0, 5.0 + codes), 9)


def reweighted(
    codes: np.ndarray, values: np.ndarray, reference: np.ndarray, current: np.ndarray, unseen: int
) -> tuple[float, float]:
    """The change of the mean of `values` and its standard error, row by row; rows that no held-out row is like take the mean."""
    before, now = reference / reference.sum(), current / (current.sum() + unseen)
    sides = []
    for shares in (before, now):
        weights = np.array([shares[code] / np.count_nonzero(codes == code) for code in codes])
        sides.append((weights * values).sum() + (1.0 - weights.sum()) * values.mean())
    variance = sum(
        (now[one] - before[one]) ** 2 * values[codes == one].var() / np.count_nonzero(codes == one)
        for one in np.unique(codes)
    )
    return sides[1] - sides[0], float(np.sqrt(variance))


REFERENCE = np.array([500, 400, 300, 200, 100, 50])
CURRENT = np.array([100, 250, 310, 90, 240, 40])


@pytest.mark.parametrize("unseen", [0, 170])
@pytest.mark.parametrize("favourable", ["below", "above"])
@pytest.mark.parametrize("calibration", [None, CALIBRATION])
def test_it_is_a_reweighting_of_the_held_out_rows(
    unseen: int, favourable: str, calibration: Calibration | None
) -> None:
    codes, scores = held_out()
    rule = DecisionRule(0.25, favourable)
    found = feature_effect(REFERENCE, CURRENT, unseen, HeldOutScores(scores, calibration, rule).by_bin(codes, BINS))
    approved = (scores < 0.25) if favourable == "below" else (scores >= 0.25)
    odds = scores / (1 - scores)
    chance = scores if calibration is None else 1 / (1 + np.exp(0.3) * odds**-0.8)
    expected = [
        reweighted(codes, values, REFERENCE, CURRENT, unseen)
        for values in (scores, approved.astype(float), np.round(approved * chance, 9))
    ]
    assert (found.score, found.favourable, found.events) == pytest.approx([one for one, _ in expected], abs=1e-12)
    assert (found.score_error, found.favourable_error) == pytest.approx([one for _, one in expected[:2]], abs=1e-9)
    assert abs(found.score) > 0.01


def test_rows_as_in_the_reference_do_nothing() -> None:
    codes, scores = held_out()
    found = feature_effect(
        REFERENCE, 3 * REFERENCE, 0, HeldOutScores(scores, CALIBRATION, DECISION).by_bin(codes, BINS)
    )
    assert (found.score, found.favourable, found.events) == pytest.approx((0.0, 0.0, 0.0), abs=1e-15)
    assert found.is_nil


def test_without_a_decision_the_score_alone_is_known() -> None:
    codes, scores = held_out()
    sums = HeldOutScores(scores, CALIBRATION, None).by_bin(codes, BINS)
    assert (sums.favourable, sums.events) == ((), ())
    found = feature_effect(REFERENCE, CURRENT, 0, sums)
    assert (found.favourable, found.favourable_error, found.events) == (None, None, None)


def test_sums_add_up_exactly_however_the_rows_are_divided() -> None:
    codes, scores = held_out()
    whole = HeldOutScores(scores, CALIBRATION, DECISION).by_bin(codes, BINS)
    halves = [
        HeldOutScores(scores[part], CALIBRATION, DECISION).by_bin(codes[part], BINS)
        for part in (np.arange(ROWS) < 200, np.arange(ROWS) >= 200)
    ]
    for name in ("rows", "score", "squares", "favourable", "events"):
        assert getattr(whole, name) == tuple(map(sum, zip(*(getattr(half, name) for half in halves), strict=True)))


@pytest.mark.parametrize(
    ("reference", "current", "rows"),
    [((0, 0), (5, 5), (3, 4)), ((5, 5), (0, 0), (3, 4)), ((5, 5), (5, 5), (0, 0))],
)
def test_where_a_side_has_no_rows_there_is_no_effect(
    reference: tuple[int, int], current: tuple[int, int], rows: tuple[int, int]
) -> None:
    assert feature_effect(reference, current, 0, BinScores(rows=rows, score=(1, 1), squares=(1, 1))) is None


def test_an_effect_within_three_errors_or_too_small_to_read_is_none() -> None:
    found = FeatureEffect(score=0.006, score_error=0.002, favourable=0.0, favourable_error=0.0, events=0.0)
    assert found.is_nil
    assert not replace(found, score=-0.0061).is_nil
    assert not replace(found, favourable=0.001).is_nil
    assert replace(found, score=0.0005, score_error=0.0).is_nil
    assert not replace(found, score=0.0006, score_error=0.0).is_nil


def test_an_irrelevant_feature_seldom_does_anything() -> None:
    """Bins that say nothing of the score, moved by a PSI of 0.14, a hundred times."""
    told = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        codes, scores = random.integers(0, 10, 3_000).astype(np.int32), random.beta(2.0, 6.0, 3_000)
        now = 500 * np.linspace(0.4, 1.6, 10)
        effect = feature_effect([1_500] * 10, now, 0, HeldOutScores(scores, None, DECISION).by_bin(codes, 10))
        told += not effect.is_nil
    assert told <= 3


def test_two_tables_have_effects_where_the_reference_has_scores() -> None:
    random = np.random.default_rng(4)
    tables = [
        pd.DataFrame({"grade": random.choice(["a", "b", "c"], 900, p=shares), "amount": random.normal(size=900)})
        for shares in ((0.6, 0.3, 0.1), (0.3, 0.3, 0.4))
    ]
    assert {one.effect for one in measure_drift(*tables).features} == {None}
    scored = [table.assign(y_score=table["grade"].map({"a": 0.1, "b": 0.2, "c": 0.5})) for table in tables]
    grade, amount, score = measure_drift(*scored).features
    change = scored[1]["y_score"].mean() - scored[0]["y_score"].mean()  # the grade is all that the score goes by
    assert grade.effect == FeatureEffect(
        score=pytest.approx(change, abs=1e-12), score_error=pytest.approx(0.0, abs=1e-9)
    )
    assert abs(amount.effect.score) < 0.2 * abs(change)
    assert score.effect is None
