"""`drift.json`: its fields, its words, and that nothing but the data changes it."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from lockgate.config.errors import InputError
from lockgate.config.params import Drift, Evaluate
from lockgate.documents.drift_json import DriftResult, FeatureDrift
from lockgate.documents.profile_json import Profile
from lockgate.documents.schema_json import Feature, Schema, TargetClasses
from lockgate.drift import measurement
from lockgate.drift.drift_rule import null_distribution
from lockgate.drift.family_error import psi_error
from lockgate.drift.measurement import measure_against_profile
from lockgate.drift.profile import HeldOut, build_profile, drift_rule
from lockgate.drift.psi import psi
from lockgate.metrics.metrics import roc_auc
from lockgate.model.drift import measure_drift

MODEL = "a" * 64
CATEGORIES = ("car", "home", "trip")


def feature(name: str, *categories: str) -> Feature:
    return Feature(name, "categorical" if categories else "numeric", False, True, categories, None, None, name)


SCHEMA = Schema(
    target="default",
    classes=TargetClasses(("1",), ("0",)),
    features=(feature("income"), feature("purpose", *CATEGORIES), feature("late")),
    audit=(),
    id_columns=(),
    time_column=None,
    weight_column=None,
    columns=(),
)


def batch(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "income": random.normal(size=rows),
            "purpose": pd.Series(random.choice(CATEGORIES, rows), dtype="str"),
            "late": random.poisson(0.2, rows),
        }
    )
    return frame, random.beta(2, 6, size=rows)


def labelled(rows: int, seed: int, odds: float = 1.0) -> tuple[pd.DataFrame, np.ndarray]:
    frame, scores = batch(rows, seed)
    chance = odds * scores / (1 - scores + odds * scores)
    return frame.assign(default=(np.random.default_rng(seed + 1_000).random(rows) < chance).astype(float)), scores


REFERENCE, _ = labelled(15_000, 1)
HELD_OUT, HELD_OUT_SCORES = labelled(3_000, 2)
PROFILE = build_profile(REFERENCE, SCHEMA, Drift(), HeldOut(HELD_OUT_SCORES, HELD_OUT["default"].to_numpy()))


def against(profile: Profile, frame: pd.DataFrame, scores: np.ndarray, **changes: Any) -> DriftResult:
    return measure_against_profile(profile, frame, scores=scores, model=MODEL, **changes)


def by_name(result: DriftResult) -> dict[str, FeatureDrift]:
    return {one.name: one for one in result.features}


def test_the_document_and_its_numbers() -> None:
    result = against(PROFILE, *batch(5_000, 3))
    assert list(json.loads(result.to_bytes())) == [
        *("schema", "status", "model", "current", "time", "n_reference", "n_current", "warn", "alert", "note"),
        *("label", "estimated", "performance", "model_drift", "segments", "vintages", "selection", "batch", "newest"),
        "features",
    ]
    assert (result.status, result.model, result.n_reference, result.n_current) == ("stable", MODEL, 15_000, 5_000)
    assert [one.name for one in result.features] == ["income", "purpose", "late", "score"]
    assert (result.warn, result.alert, result.note, result.current) == (0.10, 0.25, None, None)
    assert (result.label, result.performance) == (None, None)
    for one in result.features:
        shares = [(part.expected, part.actual) for part in one.bins]
        again = sum((now - before) * np.log(now / before) for before, now in shares)
        assert again == pytest.approx(one.psi, rel=1e-12)
        assert np.sum(shares, axis=0) == pytest.approx([1.0, 1.0])
    assert DriftResult.read(result.to_bytes(), "drift.json") == result


def test_neither_threads_nor_row_order_nor_column_order_matter() -> None:
    frame, scores = batch(2_000, 4)
    shuffled = np.random.default_rng(0).permutation(len(frame))
    first = against(PROFILE, frame, scores, threads=1)
    second = against(PROFILE, frame.iloc[shuffled, ::-1], scores[shuffled], threads=4)
    assert first.to_bytes() == second.to_bytes()


def test_a_shift_is_an_alert_with_words_for_it() -> None:
    frame, scores = batch(2_000, 5)
    result = against(PROFILE, frame.assign(income=frame["income"] + 1.0), scores)
    features = by_name(result)
    assert result.status == features["income"].status == "alert"
    words = r"PSI 1\.\d\d, severe: more rows in \(1\.2\d+, inf\) \((39|40|41) % instead of 10 %\)"
    assert re.fullmatch(words, str(features["income"].reason))
    assert features["purpose"].status == "stable"


def test_the_category_that_moved_most_is_named() -> None:
    frame, scores = batch(2_000, 5)
    moved = frame.assign(purpose=np.where(frame["purpose"] == "car", "trip", frame["purpose"]))
    found = by_name(against(PROFILE, moved, scores))["purpose"]
    assert re.fullmatch(r"PSI \d+\.\d\d, severe: fewer rows with `car` \(0 % instead of 3[34] %\)", found.reason)


@pytest.mark.parametrize(
    ("name", "value", "shown", "most"),
    [("purpose", "trip", "trip", 34), ("late", 3, "3", 82), ("income", -0.25, "-0.25", 10)],
)
def test_one_value_that_is_left_is_named(name: str, value: object, shown: str, most: int) -> None:
    frame, scores = batch(2_000, 5)
    found = by_name(against(PROFILE, frame.assign(**{name: value}), scores))[name]
    words = f"one value left: `{shown}` in all 2,000 rows that have one; before, no value had more than {most} %; PSI "
    assert (found.status, found.rule, found.reason[: len(words)]) == ("alert", "constant", words)
    few = frame.assign(**{name: np.where(np.arange(2_000) < 1_999, value, frame[name])})
    assert by_name(against(PROFILE, few, scores))[name].rule == "psi"


def test_an_empty_text_that_all_requests_send_is_one_value_that_is_left() -> None:
    frame, scores = batch(2_000, 5)
    found = by_name(against(PROFILE, frame.assign(purpose=""), scores))["purpose"]
    assert (found.status, found.rule) == ("alert", "constant")
    assert found.reason.startswith("one value left: `''` in all 2,000 rows that have one; ")
    assert found.reason.endswith("; new value `''`, 100 % of rows")


def test_a_model_that_gives_all_rows_one_score_alerts() -> None:
    frame, scores = batch(2_000, 5)
    found = by_name(against(PROFILE, frame, np.full(len(scores), 0.2)))["score"]
    assert (found.status, found.rule) == ("alert", "constant")


def test_a_feed_that_dies_for_few_is_named_by_its_missing_values() -> None:
    frame, scores = batch(2_000, 8)
    few = frame.assign(income=frame["income"].where(np.arange(2_000) >= 30))
    found = by_name(against(PROFILE, few, scores))["income"]
    assert (found.status, found.rule) == ("warn", "missing")
    assert found.reason.startswith("the first missing values: 1.5 % of rows; PSI 0.")
    gaps = build_profile(
        REFERENCE.assign(income=REFERENCE["income"].where(np.arange(15_000) % 100 > 1)),
        SCHEMA,
        Drift(),
        HeldOut(HELD_OUT_SCORES),
    )
    more = frame.assign(income=frame["income"].where(np.arange(2_000) >= 100))
    assert (
        by_name(against(gaps, more, scores))["income"].reason
        == "more missing values: 5 % of rows instead of 2 %; PSI 0.03, slight"
    )


@pytest.mark.parametrize("known", [0, 300])
def test_a_feature_has_the_same_threshold_with_labels_and_without(known: int) -> None:
    frame, scores = labelled(300, 5)
    frame.loc[known:, "default"] = np.nan
    rule = drift_rule(Drift())
    for one, reference in zip(
        against(PROFILE, frame, scores, target="default").features, PROFILE.features, strict=True
    ):
        found = null_distribution(reference.counts, 300).threshold(psi_error(rule.family_error, len(PROFILE.features)))
        assert one.threshold == max(rule.effect_floor, found)


def test_new_values_are_named_and_left_out_of_the_psi() -> None:
    frame, scores = batch(1_000, 6)
    clean = by_name(against(PROFILE, frame, scores))["purpose"]
    crypto = frame.assign(purpose=frame["purpose"].where(np.arange(1_000) >= 31, "crypto"))
    found = by_name(against(PROFILE, crypto, scores))["purpose"]
    assert (found.status, found.reason) == ("warn", "new value `crypto`, 3.1 % of rows")
    assert found.unseen_share == 0.031
    kept = crypto["purpose"].value_counts()
    counts = [*(int(kept[value]) for value in CATEGORIES), 0]
    assert found.psi == psi(PROFILE.features[1].counts, counts)
    assert clean.unseen_share == 0.0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (f" {CATEGORIES[0]}", f"`' {CATEGORIES[0]}'` (not `{CATEGORIES[0]}`)"),
        (CATEGORIES[0].upper(), f"`{CATEGORIES[0].upper()}` (not `{CATEGORIES[0]}`)"),
        ("a\tb", "`'a\\tb'`"),
        ("a  b", "`'a  b'`"),
        ("\u200bnew", "`'\\u200bnew'`"),
        ("", "`''`"),
    ],
)
def test_the_spaces_of_a_new_value_can_be_seen(value: str, shown: str) -> None:
    frame, scores = batch(1_000, 6)
    changed = frame.assign(purpose=frame["purpose"].where(np.arange(1_000) >= 100, value))
    found = by_name(against(PROFILE, changed, scores))["purpose"]
    assert found.reason.startswith(f"new value {shown}, 10 % of rows")


def test_a_new_value_of_any_length_fits_the_document() -> None:
    frame, scores = batch(1_000, 8)
    long = frame.assign(purpose=["x" * 9_000, "y" * 9_000] * 500)
    found = by_name(against(PROFILE, long, scores))["purpose"]
    assert found.status == "alert"
    assert re.fullmatch(r"new values `x+…x+`, 50 %; `y+…y+`, 50 %: together 100 % of rows", found.reason)


def test_many_new_values_are_counted_and_a_recoded_column_alerts() -> None:
    frame, scores = batch(1_000, 7)
    recoded = frame.assign(purpose=[f"P{number % 5}" for number in range(1_000)])
    found = by_name(against(PROFILE, recoded, scores))["purpose"]
    assert found.status == "alert"
    assert found.reason == "new values `P0`, 20 %; `P1`, 20 %; `P2`, 20 % and 2 more: together 100 % of rows"
    assert found.psi == 0.0


def test_missing_values_alert_and_are_named() -> None:
    frame, scores = batch(1_000, 8)
    found = by_name(against(PROFILE, frame.assign(income=np.nan), scores))["income"]
    assert (found.status, found.missing_reference, found.missing_current) == ("alert", 0.0, 1.0)
    assert re.fullmatch(r"the first missing values: 100 % of rows; PSI \d+\.\d\d, severe", found.reason)


@pytest.mark.parametrize("rows", [0, 1, 199])
def test_too_few_rows_say_so_and_hold_no_nan(rows: int) -> None:
    frame, scores = batch(rows, 9)
    document = against(PROFILE, frame, scores)
    assert document.status == "insufficient-data"
    assert {one.status for one in document.features} == {"insufficient-data"}
    assert document.features[0].reason == f"only {rows} current rows, at least 200 are needed (drift.min_rows)"
    assert {(one.missing_current, one.unseen_share) for one in document.features} == {(0.0, 0.0)}
    assert DriftResult.read(document.to_bytes(), "drift.json") == document


def test_too_few_held_out_rows_leave_the_status_to_the_features() -> None:
    small = build_profile(REFERENCE.head(900), SCHEMA, Drift(), HeldOut(HELD_OUT_SCORES[:150]))
    frame, scores = batch(600, 9)
    stable = against(small, frame, scores)
    score = by_name(stable)["score"]
    assert (stable.status, score.status) == ("stable", "insufficient-data")
    assert score.reason == "only 150 reference rows, at least 200 are needed (drift.min_rows)"
    assert against(small, frame.assign(income=frame["income"] + 1), scores).status == "alert"
    assert against(small, frame.head(199), scores[:199]).status == "insufficient-data"


def test_the_reason_of_a_stable_feature_gives_its_bound() -> None:
    frame, scores = batch(200, 10)
    found = by_name(against(PROFILE, frame, scores))["income"]
    assert found.status == "stable"
    assert str(found.reason).endswith(f"as 200 unchanged rows also give (up to {found.threshold:.3f})")


def test_known_labels_are_compared_with_the_reference_and_the_estimate_with_them() -> None:
    frame, scores = labelled(5_000, 11)
    document = against(PROFILE, frame, scores, target="default", note="so it is")
    assert (document.status, document.label.status, document.note) == ("stable", "stable", "so it is")
    assert document.label.reference.n == 15_000
    assert document.performance.n == document.estimated.n == 5_000
    assert (document.performance.status, document.estimated.refuted) == ("stable", False)
    for estimate, name in ((document.estimated.roc_auc, "roc_auc"), (document.estimated.brier, "brier")):
        assert estimate.low < document.performance.metric(name).value < estimate.high
    unlabelled = against(PROFILE, frame.drop(columns="default"), scores, target="default")
    assert unlabelled.estimated == document.estimated


def test_a_changed_rate_of_labels_warns_and_never_alerts() -> None:
    document = against(PROFILE, *labelled(5_000, 12, odds=6.0), target="default")
    assert (document.label.status, document.label.rule) == ("warn", "rate")
    assert {one.status for one in document.features} == {"stable"}


@pytest.mark.parametrize("known", [0, 1, 199])
def test_few_or_no_known_labels_leave_the_status_alone(known: int) -> None:
    frame, scores = labelled(5_000, 13, odds=50.0)
    frame["default"] = frame["default"].where(np.arange(5_000) < known)
    document = against(PROFILE, frame, scores, target="default")
    assert document.status == "stable"
    assert (document.label is None) == (document.performance is None) == (known == 0)
    if known:
        assert document.label.status == "insufficient-data"
        assert (document.performance.n, document.performance.status) == (known, "insufficient-data")
    assert DriftResult.read(document.to_bytes(), "drift.json") == document


def test_a_profile_that_counts_no_labels_takes_the_scores_at_their_word() -> None:
    older = msgspec.structs.replace(PROFILE, labels=None, calibration=None, performance=None)
    document = against(older, *labelled(5_000, 14, odds=50.0), target="default")
    assert (document.status, document.label.status) == ("stable", "insufficient-data")
    assert document.estimated.assumes.startswith("the scores are true probabilities")


@pytest.mark.parametrize("wrong", [2.0, -1.0, 0.5, np.inf])
def test_labels_other_than_0_and_1_are_refused(wrong: float) -> None:
    frame, scores = labelled(300, 15)
    frame.loc[7, "default"] = wrong
    with pytest.raises(InputError, match="labels in column default hold 1 values other than 0, 1 and missing"):
        against(PROFILE, frame, scores, target="default")


def test_which_rule_fired_is_for_machines_too() -> None:
    frame, scores = batch(1_000, 16)
    odd = frame.assign(income=frame["income"] + 1.0, purpose=frame["purpose"].where(np.arange(1_000) >= 31, "crypto"))
    found = by_name(against(PROFILE, odd, scores))
    assert {name: one.rule for name, one in found.items() if name} == {
        "income": "psi",
        "purpose": "unseen",
        "late": None,
        "score": None,
    }
    assert {one.rule for name, one in by_name(against(PROFILE, *batch(50, 17))).items() if name} == {"rows"}


def test_without_scores_the_features_alone_are_measured() -> None:
    frame, scores = labelled(5_000, 18, odds=6.0)
    with_scores = against(PROFILE, frame, scores, target="default")
    alone = measure_against_profile(PROFILE, frame, target="default")
    assert [one.psi for one in alone.features] == [one.psi for one in with_scores.features[:-1]]
    assert (alone.model, alone.estimated, alone.performance) == (None, None, None)
    assert alone.label is not None


def test_the_profiles_own_rule_decides_unless_settings_are_given() -> None:
    strict = build_profile(REFERENCE, SCHEMA, Drift(effect_floor=0.0, warn=0.0, alert=0.3), HeldOut(HELD_OUT_SCORES))
    frame, scores = batch(5_000, 19)
    shifted = frame.assign(income=frame["income"] + 0.5)
    assert against(PROFILE, shifted, scores).status == "warn"
    assert (against(strict, shifted, scores).alert, against(PROFILE, shifted, scores).alert) == (0.3, 0.25)
    assert against(PROFILE, shifted, scores, rule=drift_rule(Drift(alert=0.15))).status == "alert"


def test_a_batch_of_another_file_is_refused() -> None:
    result = msgspec.structs.replace(against(PROFILE, *batch(300, 20)), current="b" * 64)
    result.require_batch("b" * 64)
    with pytest.raises(InputError, match=r"another batch \(sha256 bbbbbbbbbbbb\) .*cccccccccccc.*run `lockgate drift`"):
        result.require_batch("c" * 64)
    against(PROFILE, *batch(300, 20)).require_batch("c" * 64)  # values have no file to compare


def two_tables(rows: int = 2_000, shift: float = 0.0) -> pd.DataFrame:
    random = np.random.default_rng(int(100 * shift) + rows)
    return pd.DataFrame(
        {
            "amount": random.normal(size=rows) + shift,
            "grade": random.choice(["a", "b", "c"], rows),
            "empty": np.full(rows, np.nan),
            "key": [f"{shift}-{row}" for row in range(rows)],
            "day": pd.Timestamp("2026-01-01"),
        }
    )


def test_two_tables_are_compared_column_by_column_without_a_bundle() -> None:
    result = measure_drift(two_tables(), two_tables(1_500, shift=0.8))
    assert {one.name: one.status for one in result.features} == {
        "amount": "alert",
        "grade": "stable",
        "empty": "stable",
    }
    assert (result.status, result.model, result.estimated) == ("alert", None, None)
    assert (result.n_reference, result.n_current) == (2_000, 1_500)
    assert result.note == ("not compared: key (has 2,000 distinct texts, such as '0.0-0' in row 1), day (holds dates)")
    assert measure_drift(two_tables(), two_tables()).status == "stable"
    assert DriftResult.read(result.to_bytes(), "drift.json") == result


def test_more_features_than_the_document_holds_are_refused_before_they_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measurement, "MAX_FEATURES", 4)
    assert len(against(PROFILE, *batch(300, 20)).features) == 4
    monkeypatch.setattr(measurement, "MAX_FEATURES", 3)
    with pytest.raises(InputError, match=r"there are 4 features, the score counted .* of at most 3; leave columns out"):
        against(PROFILE, *batch(300, 20))


def test_of_two_tables_a_column_of_long_texts_is_left_out_and_named() -> None:
    long = two_tables().assign(grade=["a" * (1_000 + row % 2) for row in range(2_000)])
    result = measure_drift(long, two_tables(1_500))
    assert [one.name for one in result.features] == ["amount", "empty"]
    assert "grade (holds a text of 1,001 characters)" in str(result.note)
    assert DriftResult.read(result.to_bytes(), "drift.json") == result
    short = long.assign(grade=long["grade"].str[:1_000])
    assert [one.name for one in measure_drift(short, short).features] == ["amount", "grade", "empty"]


def test_an_empty_table_is_no_reference_and_an_empty_batch_is_too_few_rows() -> None:
    with pytest.raises(InputError, match="the reference table has no rows"):
        measure_drift(two_tables().head(0), two_tables())
    result = measure_drift(two_tables(), two_tables().head(0))
    assert (result.status, result.n_current) == ("insufficient-data", 0)


def test_two_tables_have_the_psi_of_a_profile_of_the_same_rows() -> None:
    frame, scores = batch(3_000, 21)
    result = measure_drift(REFERENCE.drop(columns="default"), frame)
    expected = by_name(against(PROFILE, frame, scores))
    assert {one.name: one.psi for one in result.features} == {
        name: expected[name].psi for name in ("income", "purpose", "late")
    }


def test_of_two_tables_columns_that_are_gone_or_retyped_are_named_and_new_ones_ignored() -> None:
    reference, current = two_tables(), two_tables(shift=0.1)
    assert measure_drift(reference, current.assign(new=1)).status == "stable"
    with pytest.raises(InputError, match="the current table: column `amount` is missing"):
        measure_drift(reference, current.drop(columns="amount"))
    with pytest.raises(InputError, match=r"column `grade` is categorical .* but holds numbers"):
        measure_drift(reference, current.assign(grade=1))
    with pytest.raises(InputError, match="no column that can be compared"):
        measure_drift(reference[["key"]], current)
    with pytest.raises(InputError, match="infinite"):
        measure_drift(reference.assign(amount=np.inf), current)
    with pytest.raises(InputError, match="and the reference is a table; leave one out"):
        measure_drift(reference, current, reference_rows=reference)


def test_a_time_needs_its_zone() -> None:
    table = pd.DataFrame({"age": np.arange(300.0)})
    with pytest.raises(InputError, match="the time of measure_drift has no zone"):
        measure_drift(table, table, time=datetime(2026, 6, 1))


@pytest.mark.parametrize("time", ["2026-11-27", "2026-11-27T03:00:00", "yesterday"])
def test_a_time_says_its_zone(time: str) -> None:
    result = against(PROFILE, *batch(300, 22))
    with pytest.raises(ValueError, match=r"^its time is not an ISO 8601 time with its zone$"):
        msgspec.structs.replace(result, time=time)
    assert msgspec.structs.replace(result, time="2026-11-27T03:00:00Z").time is not None


def predictions(rows: int, seed: int, odds: float = 1.0, name: str = "y_score") -> pd.DataFrame:
    """Anybody's table of scores that are right, with what the kit writes beside its own."""
    random = np.random.default_rng(seed)
    chance = random.beta(2, 6, rows)
    labels = random.random(rows) < odds * chance / (1 - chance + odds * chance)
    keys = random.permutation(rows)
    return pd.DataFrame(
        {"row_key": keys, name: chance, "y_true": labels.astype(int), "grade": random.choice(["a", "b"], rows)}
    ).assign(lockgate_digest="f" * 64, lockgate_time=keys)


@pytest.mark.parametrize("name", ["y_score", "probability", "lockgate_score"])
def test_of_two_tables_with_scores_the_score_is_last_and_performance_is_measured_and_estimated(name: str) -> None:
    before, now = predictions(4_000, 1, name=name), predictions(3_000, 2, name=name)
    result = measure_drift(before, now)
    assert [(one.name, one.kind) for one in result.features] == [("grade", "categorical"), (name, "score")]
    assert (result.status, result.model, result.note) == ("stable", None, None)
    assert result.label is not None
    assert result.performance is not None
    assert result.estimated is not None
    assert (result.label.name, result.label.status) == ("y_true", "stable")
    ranking = result.performance.metric("roc_auc")
    assert ranking.value == pytest.approx(roc_auc(now["y_true"], now[name]))
    assert ranking.reference == pytest.approx(roc_auc(before["y_true"], before[name]))
    assert ranking.reason.endswith("in the reference: no change for the worse that counts")
    unlabelled = measure_drift(before, now.drop(columns="y_true"))
    assert (unlabelled.label, unlabelled.performance) == (None, None)
    assert unlabelled.estimated == result.estimated
    uncalibrated = measure_drift(before.drop(columns="y_true"), now).estimated
    assert uncalibrated is not None
    assert uncalibrated.assumes.startswith("the scores are true probabilities") != (
        result.estimated.assumes.startswith("the scores are true probabilities")
    )
    shifted = measure_drift(before, now.assign(**{name: now[name] ** 0.5}))
    assert [one.status for one in shifted.features] == ["stable", "alert"]
    assert measure_drift(before, predictions(3_000, 3, odds=2.0, name=name)).label.status == "warn"


def test_of_two_tables_the_thresholds_that_nobody_chose_are_those_that_the_reference_meets() -> None:
    before, now = predictions(4_000, 1), predictions(3_000, 2)
    floor = measure_drift(before, now).performance.metric("roc_auc").reference + 0.1
    chosen = measure_drift(before, now, evaluate=Evaluate(floors={"roc_auc": floor}, ceilings={}))
    assert (chosen.performance.metric("roc_auc").threshold, chosen.performance.metric("brier").threshold) == (
        floor,
        None,
    )
    assert (chosen.status, chosen.performance.metric("roc_auc").rule) == ("alert", "threshold")
    dead = now.assign(y_true=now["y_true"].sample(frac=1, random_state=1).to_numpy())
    found = measure_drift(before, dead)
    assert found.status == "alert"
    assert found.performance.reason.startswith("The model no longer ranks: ROC-AUC 0.")
    weak = before.assign(y_true=before["y_true"].sample(frac=1, random_state=2).to_numpy())
    assert {one.threshold for one in measure_drift(weak, dead).performance.metrics} <= {None, 0.2}
    assert measure_drift(weak, dead).performance.status == "stable"


def test_a_column_that_holds_no_probabilities_is_no_score_and_a_batch_may_not_turn_it_into_one() -> None:
    before, now = predictions(2_000, 1), predictions(1_000, 2)
    points = before.assign(y_score=before["y_score"] * 1_000)
    assert [one.kind for one in measure_drift(points, points.head(900)).features] == ["numeric", "categorical"]
    with pytest.raises(InputError, match=r"the current table: column `y_score` holds 2 values .* the first in row 4"):
        measure_drift(before, now.assign(y_score=now["y_score"].where(~now.index.isin([3, 7]), 3.0)))


@pytest.mark.parametrize(("evidently", "columns", "drawn"), [(None, 100, True), (None, 101, False), (True, 101, True)])
def test_why_no_page_is_drawn_stands_in_the_note(evidently: bool | None, columns: int, drawn: bool) -> None:
    frame = pd.DataFrame({f"c{place}": np.arange(300) for place in range(columns)}).assign(
        day=pd.Timestamp("2026-01-01")
    )
    note = measure_drift(frame, frame, settings=Drift(evidently=evidently)).note
    assert (note == "not compared: day (holds dates)") == drawn
    if not drawn:
        assert note == (
            "no Evidently page of 101 columns, more than 100; drift.evidently: true draws it all the same; "
            "not compared: day (holds dates)"
        )


def test_the_page_can_be_switched_off() -> None:
    note = measure_drift(two_tables()[["amount"]], two_tables()[["amount"]], settings=Drift(evidently=False)).note
    assert note == "no Evidently page: drift.evidently is false"
