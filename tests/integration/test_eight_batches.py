"""Batches that a night has to tell apart, with the worked example's bundle: a dead model, broken data, and nothing wrong at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from time import process_time

import numpy as np
import pandas as pd
import pytest

from lockgate.config.params import Drift, Evaluate, Params, Prepare
from lockgate.data.dataset import prepare
from lockgate.data.synthetic import AUDIT_COLUMNS, MONOTONE, SYNTHETIC_KINDS, TARGET, generate_applicants
from lockgate.documents.drift_json import DriftResult
from lockgate.metrics.metrics import roc_auc
from lockgate.model.bundle import Bundle
from lockgate.model.drift import measure_drift
from lockgate.model.scoring import score_bundle
from lockgate.model.training import train

ROWS = 5_071
SEED = 77


@dataclass(frozen=True)
class Night:
    """The bundle, an untouched batch of raw applicants with their outcomes, and the scores of these."""

    bundle: Bundle
    clean: pd.DataFrame
    scores: np.ndarray

    def measured(self, batch: pd.DataFrame, *, labels: bool = True) -> DriftResult:
        """The night's result for a batch, with the gate's defaults."""
        rows = batch if labels else batch.drop(columns=TARGET)
        return measure_drift(self.bundle, rows, settings=Drift(), evaluate=Evaluate())

    def relabelled(self, auc: float) -> pd.DataFrame:
        """The clean batch with as many outcomes drawn anew, regardless of the row, as bring ROC-AUC down to `auc`."""
        random = np.random.default_rng(SEED)
        labels = self.clean[TARGET].to_numpy().copy()
        shuffled, order = random.permutation(labels), random.permutation(ROWS)
        low, high = 0, ROWS
        while high - low > 1:
            middle = (low + high) // 2
            tried = labels.copy()
            tried[order[:middle]] = shuffled[order[:middle]]
            low, high = (middle, high) if roc_auc(tried, self.scores) > auc else (low, middle)
        labels[order[:high]] = shuffled[order[:high]]
        return self.clean.assign(**{TARGET: labels})


@pytest.fixture(scope="module")
def night() -> Night:
    params = Params.model_validate(
        {
            "prepare": Prepare(kinds=SYNTHETIC_KINDS, audit_columns=list(AUDIT_COLUMNS)),
            "train": {"nthread": 1, "min_child_weight": 5, "subsample": 0.8, "colsample_bytree": 0.8, "reg_lambda": 2.0}
            | {"monotone": dict(MONOTONE)},
            "evaluate": {"slices": ["region"]},
            "decision": {"threshold": 0.25},
        }
    )
    dataset = prepare(generate_applicants(20_000, params.prepare.seed), params.prepare)
    bundle = train(dataset.train, dataset.schema, params).bundle
    clean = generate_applicants(ROWS, SEED, 0.0, "current")
    return Night(bundle, clean, score_bundle(bundle, clean))


@pytest.mark.parametrize("labels", [True, False])
def test_an_untouched_batch_is_stable(night: Night, labels: bool) -> None:
    result = night.measured(night.clean, labels=labels)
    assert result.status == "stable", result
    assert (result.performance is not None) == labels


def test_a_night_takes_less_than_three_seconds_and_its_profile_less_than_a_megabyte(night: Night) -> None:
    start = process_time()
    night.measured(night.clean)
    assert process_time() - start < 3.0
    assert len(night.bundle.profile.to_bytes()) < 1_000_000


@pytest.mark.parametrize(("auc", "status"), [(0.577, "alert"), (0.669, "alert"), (0.731, "warn")])
def test_a_model_that_no_longer_ranks_is_judged_by_its_outcomes(night: Night, auc: float, status: str) -> None:
    result = night.measured(night.relabelled(auc))
    assert not result.moved
    assert result.performance is not None
    found = result.performance.metric("roc_auc")
    assert found is not None
    assert found.value == pytest.approx(auc, abs=0.001)
    assert (result.status, result.performance.status, found.status) == (status, status, status)
    words = "The model no longer ranks" if status == "alert" else "The model ranks worse than it did"
    assert result.performance.reason == found.reason
    assert found.reason.startswith(
        f"{words}: ROC-AUC {found.value:.3f} [{found.low:.3f}, {found.high:.3f}] on 5,071 known outcomes"
    )
    assert result.estimated is not None
    assert result.estimated.refuted


def test_rows_whose_features_no_longer_belong_together_warn_by_the_model(night: Night) -> None:
    """Each applicant has somebody else's income, utilisation and savings: every column is what it was."""
    random, batch = np.random.default_rng(SEED), night.clean.drop(columns=TARGET)
    shuffled = ["income", "utilisation", "savings"]
    for name in shuffled:
        batch[name] = batch[name].to_numpy()[random.permutation(ROWS)]
    result = night.measured(batch)
    assert {one.name for one in result.moved} <= {"score"}, "no column moved"
    assert result.status == "warn"
    found = result.model_drift
    assert found is not None
    assert (found.method, found.status) == ("leaves", "warn")
    assert found.p_value < 1e-6
    assert set(found.features[:3]) == set(shuffled)


BUREAU = ("delinquencies", "public_records", "inquiries")


@pytest.mark.parametrize("labels", [True, False])
def test_a_bureau_that_is_dead_in_one_region_is_named_with_the_region(night: Night, labels: bool) -> None:
    batch = night.clean.copy()
    there = batch["region"] == "west"
    batch.loc[there, list(BUREAU)] = 0
    result = night.measured(batch, labels=labels)
    assert not result.moved
    assert {(one.column, one.value, one.feature, one.only) for one in result.segments} == {
        ("region", "west", name, True) for name in BUREAU
    }
    assert result.status == "alert"
    ((_, sentence),) = result.where
    assert sentence.endswith(f": only in `region` = west, {100 * there.mean():.2g} % of rows; elsewhere stable")
    assert all(f"`{name}`" in sentence for name in BUREAU)


def test_wrong_units_in_one_region_are_named_with_the_region(night: Night) -> None:
    batch = night.clean.copy()
    there = batch["region"] == "north"
    batch.loc[there, "income"] = (batch.loc[there, "income"] / 12).round()
    result = night.measured(batch, labels=False)
    assert [one.name for one in result.moved if one.kind != "score"] == ["income"]
    assert [(one.column, one.value, one.feature, one.only) for one in result.segments] == [
        ("region", "north", "income", True)
    ]
    assert result.segments[0].psi > 10 * result.moved[0].psi


def test_what_carries_the_model_stands_above_what_moved_further(night: Night) -> None:
    random = np.random.default_rng(SEED)
    more = (night.clean["dependants"] + (random.random(ROWS) < 0.3)).clip(upper=5)
    batch = night.clean.assign(dependants=more, utilisation=(1.15 * night.clean["utilisation"]).clip(upper=1))
    first, *others = (one for one in night.measured(batch, labels=False).by_effect if one.kind != "score")
    second = others[0]
    assert (first.name, second.name) == ("utilisation", "dependants")
    assert first.psi < 0.1 < second.psi
    assert first.effect is not None
    assert second.effect is not None
    assert first.effect.score > 0.01 > 3 * abs(second.effect.score)


def test_a_downturn_that_is_everywhere_is_in_no_region(night: Night) -> None:
    result = night.measured(generate_applicants(ROWS, SEED, 1.0, "current"), labels=False)
    assert {"regional_unemployment", "interest_rate", "utilisation"} <= {one.name for one in result.moved}
    assert result.segments == ()


def test_other_rows_to_compare_with_have_segments_and_effects_too(night: Night) -> None:
    before = generate_applicants(ROWS, SEED + 1, 0.0, "current")
    batch = night.clean.assign(savings=night.clean["savings"].where(night.clean["region"] != "west", 0.0))
    result = measure_drift(night.bundle, batch, reference_rows=before)
    assert [(one.value, one.feature, one.only) for one in result.segments] == [("west", "savings", True)]
    savings = next(one for one in result.features if one.name == "savings")
    assert savings.effect is not None
    assert savings.effect.events is not None
    assert savings.effect.score > 0.0


def decision_log(night: Night, days: int = 365) -> pd.DataFrame:
    """The clean batch as decisions of so many days, one after the other, with their outcomes."""
    made_at = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.linspace(0, days, ROWS), unit="D")
    decided = np.where(night.scores < 0.25, "favourable", "unfavourable")
    logged = {"time": made_at, "digest": night.bundle.digest, "request_id": [f"r{at}" for at in range(ROWS)]}
    logged |= {"row": 0, "score": night.scores, "decision": decided}
    return night.clean.assign(**{f"lockgate_{name}": values for name, values in logged.items()})


def test_the_batch_of_a_log_is_what_was_decided_last_and_outcomes_are_of_all_of_it(night: Night) -> None:
    log = decision_log(night)
    last = (log["lockgate_time"] > log["lockgate_time"].max() - pd.Timedelta(days=30)).to_numpy()
    broken = log.assign(utilisation=log["utilisation"].where(~last, 0.0))
    result = night.measured(broken)
    assert result.n_current == last.sum() < 500
    assert [one.name for one in result.features if one.status == "alert"] == ["utilisation"]
    assert result.performance is not None
    assert result.performance.n > 3_000
    assert result.note is not None
    assert f"the batch is the {last.sum()} decisions of the last 30 days (drift.log_days)" in result.note
    whole = measure_drift(night.bundle, broken, settings=Drift(log_days=400), evaluate=Evaluate())
    assert whole.n_current == ROWS


def test_a_log_without_recent_decisions_still_has_its_outcomes(night: Night) -> None:
    log = decision_log(night).assign(**{TARGET: night.relabelled(0.6)[TARGET]})
    later = datetime(2027, 2, 15, tzinfo=UTC)
    result = measure_drift(night.bundle, log, settings=Drift(), evaluate=Evaluate(), time=later)
    assert result.n_current == 0
    assert {one.status for one in result.features} == {"insufficient-data"}
    assert result.performance is not None
    assert (result.status, result.performance.status) == ("alert", "alert")
