"""Rows in the cells of many partitions: the distance against sums over pairs of rows, and its chance against permutations."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tabular import feature, schema_of

from lockgate.config.params import Drift
from lockgate.documents.drift_json import ModelDrift
from lockgate.documents.profile_json import PairCounts, Profile
from lockgate.drift.cells import ModelBatch, RowCells, Split, row_keys, sample_rows
from lockgate.drift.measurement import measure_against_profile
from lockgate.drift.model_drift import LEAST_SHARE, distance, model_drift
from lockgate.drift.profile import HeldOut, build_profile, drift_rule, row_codes

RULE = drift_rule(Drift())
PARTITIONS, CELLS = 40, 6


def rows_of(rows: int, seed: int, together: float = 0.8) -> NDArray[np.int32]:
    """Rows in cells of partitions that depend on one another, as trees do: each divides a mixture of the same two numbers."""
    random = np.random.default_rng(seed)
    first = random.normal(size=rows)
    second = together * first + np.sqrt(1 - together**2) * random.normal(size=rows)
    angles = np.linspace(0, np.pi, PARTITIONS)
    mixed = np.outer(first, np.cos(angles)) + np.outer(second, np.sin(angles))
    spread = np.sqrt(1 + 0.8 * np.sin(2 * angles))
    cells = np.stack([np.digitize(column, [-1.5, -0.7, 0.0, 0.7, 2.5]) for column in (mixed / spread).T], axis=1)
    return (cells + CELLS * np.arange(PARTITIONS)).astype(np.int32)


def counted(cells: NDArray[np.int32]) -> RowCells:
    counts = np.bincount(cells.ravel(), minlength=PARTITIONS * CELLS)
    return RowCells(len(cells), counts, sample_rows(row_keys([cells]), cells).drawn())


def splits() -> list[Split]:
    """The first half of the partitions asks about `a`, the second about `b`."""
    return [
        Split(("a" if at < PARTITIONS / 2 else "b",), tuple(range(CELLS * at, CELLS * (at + 1) + 1)))
        for at in range(PARTITIONS)
    ]


def judged(reference: NDArray[np.int32], current: NDArray[np.int32], **settings: float) -> ModelDrift:
    batch = ModelBatch("leaves", counted(current), splits, "what no tree asks about")
    return model_drift(counted(reference).counts, len(reference), batch, drift_rule(Drift(**settings)))


def test_the_distance_is_the_kernels_between_two_samples() -> None:
    """Against sums over every pair of rows, with and without those of a row and itself."""
    reference, current = rows_of(130, 1), rows_of(90, 2, together=0.2)
    found = distance(counted(reference).counts, len(reference), counted(current))
    every = np.concatenate([reference, current])
    shares = np.bincount(every.ravel(), minlength=PARTITIONS * CELLS) / len(every)
    weights = 1 / np.maximum(shares, LEAST_SHARE)
    kernel = ((every[:, None, :] == every[None, :, :]) * weights[every]).sum(axis=2) / PARTITIONS
    old, new, between = kernel[:130, :130], kernel[130:, 130:], kernel[:130, 130:]
    assert found.value == pytest.approx(old.mean() + new.mean() - 2 * between.mean(), rel=1e-2)
    without = [(one.sum() - np.trace(one)) / (len(one) * (len(one) - 1)) for one in (old, new)]
    assert found.excess == pytest.approx(sum(without) - 2 * between.mean(), rel=1e-2)
    assert found.value > found.excess > 0


@cache
def permuted(n: int, m: int) -> NDArray[np.float64]:
    """The excess of two samples that are one sample divided at random, 3,000 times."""
    every, random = rows_of(n + m, 7), np.random.default_rng(8)
    one_hot = np.zeros((n + m, PARTITIONS * CELLS))
    np.put_along_axis(one_hot, every, 1.0, axis=1)
    weights = 1 / np.maximum(one_hot.mean(axis=0), LEAST_SHARE)
    is_old = random.permuted(np.tile(np.arange(n + m) < n, (3_000, 1)), axis=1).astype(float)
    old = is_old @ one_hot
    new = one_hot.sum(axis=0) - old
    within = old * (old - 1) / (n * (n - 1)) + new * (new - 1) / (m * (m - 1))
    found: NDArray[np.float64] = (weights * (within - 2 * old / n * new / m)).sum(axis=1) / PARTITIONS
    return found


@pytest.mark.parametrize(("n", "m"), [(300, 200), (200, 800), (900, 300)])
def test_chance_is_what_permutations_of_the_rows_give(n: int, m: int) -> None:
    every, simulated = rows_of(n + m, 7), permuted(n, m)
    chance = distance(counted(every[:n]).counts, n, counted(every[n:])).chance
    assert abs(simulated.mean()) < 4 * simulated.std() / np.sqrt(len(simulated))
    assert chance.deviation == pytest.approx(simulated.std(), rel=0.15)
    skewness = np.mean((simulated - simulated.mean()) ** 3) / simulated.std() ** 3
    assert chance.skewness == pytest.approx(skewness, rel=0.25)
    for error in (0.05, 0.00625):
        assert np.mean(simulated > chance.threshold(error)) <= 1.5 * error
        assert np.mean(simulated > chance.threshold(error)) >= error / 4


def test_the_sample_does_not_depend_on_the_order_of_the_rows() -> None:
    """Equal rows are as many in it as they are in the batch."""
    cells = np.repeat(rows_of(700, 1), [1] * 500 + [10] * 200, axis=0)
    shuffled = cells[np.random.default_rng(2).permutation(len(cells))]
    found = counted(cells).sample
    assert len(found) == 1_000
    assert (found == counted(shuffled).sample).all()
    once = {tuple(row) for row in cells[:500].tolist()} - {tuple(row) for row in cells[500:].tolist()}
    share = np.mean([tuple(row) in once for row in found.tolist()])
    assert share == pytest.approx(np.mean([tuple(row) in once for row in cells.tolist()]), abs=0.02)


def test_partitions_as_if_independent_would_promise_too_much() -> None:
    """The trees see the same rows: forty of them spread far more than forty of which each had rows of its own."""
    n, m = 300, 200
    alone = np.sqrt(2 * (CELLS - 1) / PARTITIONS) * (1 / n + 1 / m)
    assert permuted(n, m).std() > 2 * alone


def test_unchanged_rows_are_stable() -> None:
    found = judged(rows_of(3_000, 1), rows_of(2_000, 2))
    assert (found.status, found.features, found.n_reference) == ("stable", (), 3_000)
    assert 0 < found.expected < found.limit > found.statistic
    assert found.p_value > 0.05
    assert found.reason == (
        f"In the leaves of the model's trees rows are {found.statistic:.4f} apart, as unchanged rows also are "
        f"({found.expected:.4f} on average, up to {found.limit:.4f})"
    )


def test_numbers_that_no_longer_belong_together_warn_and_never_alert() -> None:
    found = judged(rows_of(3_000, 1), rows_of(2_000, 2, together=0.0))
    assert found.status == "warn"
    assert found.p_value < 1e-6
    assert found.statistic > found.limit > found.expected
    assert found.reason == (
        f"Rows go through the model otherwise than before: in the leaves of the model's trees rows are {found.statistic:.4f} "
        f"apart, {found.expected:.4f} on average and up to {found.limit:.4f} without drift; most at questions about `b` and `a`"
    )


def test_the_features_are_those_whose_answers_changed() -> None:
    current = rows_of(2_000, 2)
    moved = np.flatnonzero(np.random.default_rng(3).random(len(current)) < 0.5)
    current[moved, -1] = current[moved, -1] // CELLS * CELLS
    found = judged(rows_of(3_000, 1), current)
    assert (found.status, found.features) == ("warn", ("b",))
    assert found.reason.endswith("; most at questions about `b`")


def test_a_question_that_fewer_rows_come_to_has_not_changed_itself() -> None:
    """Twice as many go one way at the first question, about `a`; of those the second question, about `b`, divides as many."""
    before = np.array([400, 200, 200, 400, 400, 400])
    now = np.array([100, 50, 50, 200, 200, 1_400])
    both = [Split(("a",), (0, 3, 6)), Split(("b",), (0, 1, 2, 3)), Split(("c",), (3, 4, 5, 6))]
    sample = np.repeat(np.arange(6), now)[::3, None].astype(np.int32)
    batch = ModelBatch("leaves", RowCells(2_000, now, sample), lambda: both, "")
    assert model_drift(before, 2_000, batch, RULE).features == ("c", "a")


def test_a_distance_below_the_smallest_that_counts_is_stable() -> None:
    found = judged(rows_of(3_000, 1), rows_of(2_000, 2, together=0.0), effect_floor=10.0, warn=10.0, alert=20.0)
    assert found.status == "stable"
    assert found.reason.endswith(" of chance and less than counts (0.5 above the average of chance)")
    assert found.limit == pytest.approx(found.expected + 0.5)


@pytest.mark.parametrize(("reference", "current", "few"), [(3_000, 199, "199 current"), (199, 3_000, "199 reference")])
def test_too_few_rows_are_said(reference: int, current: int, few: str) -> None:
    found = judged(rows_of(reference, 1), rows_of(current, 2))
    assert found.status == "insufficient-data"
    assert found.reason == f"only {few} rows, at least 200 are needed (drift.min_rows)"
    assert (found.statistic, found.limit, found.p_value) == (0.0, 0.0, 1.0)


SCHEMA = schema_of(feature("a", 0), feature("b", 0), feature("c", 5), feature("constant", 0))


def table(rows: int, seed: int, together: float = 0.9) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    a = random.normal(size=rows)
    b = together * a + np.sqrt(1 - together**2) * random.normal(size=rows)
    missing = random.random(rows) < 0.3
    c = np.array([f"c{code}" for code in range(5)])[random.choice(5, rows, p=[0.05, 0.5, 0.3, 0.1, 0.05])]
    return pd.DataFrame({"a": np.where(missing, np.nan, a), "b": b, "c": c, "constant": 1.0})


def profile(rows: pd.DataFrame) -> Profile:
    return build_profile(rows, SCHEMA, Drift(), HeldOut(np.linspace(0, 1, 300)))


def test_pairs_are_the_rows_with_both_groups() -> None:
    rows = table(4_000, 1)
    found = profile(rows)
    pairs = found.pairs
    assert isinstance(pairs, PairCounts)
    assert [one.name for one in pairs.features] == ["a", "b", "c"], "of a constant nothing can be said"
    assert all(2 <= one.size <= 4 for one in pairs.features)
    named = {one.name: one for one in found.features}
    codes = dict(zip("abc", row_codes([named[name] for name in "abc"], rows), strict=True))
    groups = {one.name: np.array(one.groups)[codes[one.name]] for one in pairs.features}
    for cells, (one, other) in zip(pairs.counts, [("a", "b"), ("a", "c"), ("b", "c")], strict=True):
        assert list(cells) == pd.crosstab(groups[one], groups[other]).to_numpy().ravel().tolist()
    for group in groups.values():
        assert pd.Series(group).value_counts(normalize=True).between(0.05, 0.6).all()


def test_a_model_without_trees_is_watched_by_pairs() -> None:
    reference = profile(table(4_000, 1))
    clean = measure_against_profile(reference, table(2_000, 2))
    broken = measure_against_profile(reference, table(2_000, 2, together=0.0))
    assert clean.model_drift is not None
    assert (clean.status, clean.model_drift.status, clean.model_drift.method) == ("stable", "stable", "pairs")
    assert broken.model_drift is not None
    assert not broken.moved
    assert (broken.status, broken.model_drift.status) == ("warn", "warn")
    assert set(broken.model_drift.features) == {"a", "b"}
    assert broken.model_drift.reason.startswith(
        "Features belong together otherwise than before: two features at a time"
    )
    assert broken.model_drift.unseen.startswith("what three features or more have in common")


def test_a_category_of_later_counts_as_missing_as_it_does_in_the_model() -> None:
    reference, rows = profile(table(4_000, 1)), table(2_000, 2)
    later, missing = rows.copy(), rows.copy()
    later.loc[::2, "c"], missing.loc[::2, "c"] = "of later", None
    found, expected = (measure_against_profile(reference, one).model_drift for one in (later, missing))
    assert found == expected
    assert found is not None
    assert found.status == "warn"


def test_the_features_that_tell_most_of_the_score_are_paired() -> None:
    """Of 33 features the three of which the score knows nothing are left out."""
    random = np.random.default_rng(5)
    names = [f"f{place}_" for place in range(33)]
    rows = pd.DataFrame({name: random.normal(size=1_000) for name in names})
    unknown = ["f3_", "f4_", "f20_"]
    score = rows.drop(columns=unknown).sum(axis=1).rank(pct=True).to_numpy()
    schema = schema_of(*(feature(name, 0) for name in names))
    found = build_profile(rows, schema, Drift(), HeldOut(score, rows=rows)).pairs
    assert found is not None
    assert [one.name for one in found.features] == [name for name in names if name not in unknown]
    assert len(found.counts) == 30 * 29 / 2
    assert sum(map(len, found.counts)) <= 435 * 16
