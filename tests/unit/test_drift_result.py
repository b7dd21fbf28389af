"""`drift.json`: its fields, its words, and that nothing but the data changes it."""

from __future__ import annotations

import json
import re

import msgspec
import numpy as np
import pandas as pd
import pytest

from lockgate.config.errors import InputError
from lockgate.config.files import readable_json
from lockgate.config.params import Drift
from lockgate.documents.schema_json import Feature, Schema
from lockgate.drift.drift_result import measure_drift
from lockgate.drift.profile import build_profile, drift_rule
from lockgate.drift.psi import psi

RULE = drift_rule(Drift())
CATEGORIES = ("car", "home", "trip")


def feature(name: str, *categories: str) -> Feature:
    return Feature(name, "categorical" if categories else "numeric", False, True, categories, None, None, name)


SCHEMA = Schema(
    target="default",
    positive="1",
    features=(feature("income"), feature("purpose", *CATEGORIES), feature("late")),
    audit=(),
    id_columns=(),
    time_column=None,
    weight_column=None,
    dropped=(),
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
PROFILE = build_profile(REFERENCE, SCHEMA, Drift(), HELD_OUT_SCORES, held_out_labels=HELD_OUT["default"].to_numpy())


def measured(frame: pd.DataFrame, scores: np.ndarray, threads: int = 2) -> dict[str, dict[str, object]]:
    document = measure_drift(PROFILE, frame, scores, "digest", RULE, threads)
    return {one["name"]: one for one in document["features"]} | {"": document}


def test_the_documents_fields_and_order() -> None:
    document = measure_drift(PROFILE, *batch(5_000, 3), "digest", RULE)
    assert list(document) == [
        *("schema", "status", "model", "n_reference", "n_current", "warn", "alert", "note"),
        *("label", "estimated", "actual", "features"),
    ]
    assert {key: document[key] for key in ("schema", "status", "model", "n_reference", "n_current")} == {
        "schema": 1,
        "status": "stable",
        "model": "digest",
        "n_reference": 15_000,
        "n_current": 5_000,
    }
    assert [one["name"] for one in document["features"]] == ["income", "purpose", "late", "score"]
    assert (document["warn"], document["alert"], document["note"]) == (0.10, 0.25, None)
    assert (document["label"], document["actual"]) == (None, None)
    for one in document["features"]:
        assert list(one) == [
            *("name", "kind", "psi", "threshold", "p_value", "status", "rule", "reason"),
            *("missing_reference", "missing_current", "unseen_share", "bins"),
        ]
        shares = [(part["expected"], part["actual"]) for part in one["bins"]]
        again = sum((now - before) * np.log(now / before) for before, now in shares)
        assert again == pytest.approx(one["psi"], rel=1e-12)
        assert np.sum(shares, axis=0) == pytest.approx([1.0, 1.0])
    assert json.loads(readable_json(document)) == document


def test_neither_threads_nor_row_order_nor_column_order_matter() -> None:
    frame, scores = batch(2_000, 4)
    shuffled = np.random.default_rng(0).permutation(len(frame))
    first = measure_drift(PROFILE, frame, scores, "digest", RULE, threads=1)
    second = measure_drift(PROFILE, frame.iloc[shuffled, ::-1], scores[shuffled], "digest", RULE, threads=4)
    assert readable_json(first) == readable_json(second)


def test_a_shift_is_an_alert_with_words_for_it() -> None:
    frame, scores = batch(2_000, 5)
    features = measured(frame.assign(income=frame["income"] + 1.0), scores)
    assert features[""]["status"] == features["income"]["status"] == "alert"
    words = r"PSI 1\.\d\d, severe: more rows in \(1\.2\d+, inf\) \((39|40|41) % instead of 10 %\)"
    assert re.fullmatch(words, str(features["income"]["reason"]))
    assert features["purpose"]["status"] == "stable"


def test_new_values_are_named_and_left_out_of_the_psi() -> None:
    frame, scores = batch(1_000, 6)
    clean = measured(frame, scores)["purpose"]
    crypto = frame.assign(purpose=frame["purpose"].where(np.arange(1_000) >= 31, "crypto"))
    found = measured(crypto, scores)["purpose"]
    assert (found["status"], found["reason"]) == ("warn", "new value `crypto`, 3.1 % of rows")
    assert found["unseen_share"] == 0.031
    kept = crypto["purpose"].value_counts()
    counts = [*(int(kept[value]) for value in CATEGORIES), 0]
    assert found["psi"] == psi(PROFILE.features[1].counts, counts)
    assert clean["unseen_share"] == 0.0


def test_many_new_values_are_counted_and_a_recoded_column_alerts() -> None:
    frame, scores = batch(1_000, 7)
    recoded = frame.assign(purpose=[f"P{number % 5}" for number in range(1_000)])
    found = measured(recoded, scores)["purpose"]
    assert found["status"] == "alert"
    assert found["reason"] == "new values `P0`, 20 %; `P1`, 20 %; `P2`, 20 % and 2 more: together 100 % of rows"
    assert found["psi"] == 0.0


def test_missing_values_alert_and_are_named() -> None:
    frame, scores = batch(1_000, 8)
    found = measured(frame.assign(income=np.nan), scores)["income"]
    assert (found["status"], found["missing_reference"], found["missing_current"]) == ("alert", 0.0, 1.0)
    assert str(found["reason"]).endswith("severe: more missing values (100 % instead of 0 %)")


@pytest.mark.parametrize("rows", [0, 1, 199])
def test_too_few_rows_say_so_and_hold_no_nan(rows: int) -> None:
    frame, scores = batch(rows, 9)
    document = measure_drift(PROFILE, frame, scores, "digest", RULE)
    assert document["status"] == "insufficient-data"
    assert {one["status"] for one in document["features"]} == {"insufficient-data"}
    assert document["features"][0]["reason"] == f"only {rows} current rows, at least 200 are needed (drift.min_rows)"
    readable_json(document)


def test_the_reason_of_a_stable_feature_gives_its_bound() -> None:
    frame, scores = batch(200, 10)
    found = measured(frame, scores)["income"]
    assert found["status"] == "stable"
    assert str(found["reason"]).endswith(f"as 200 unchanged rows also give (up to {found['threshold']:.3f})")


def test_known_labels_are_compared_with_the_reference_and_the_estimate_with_them() -> None:
    frame, scores = labelled(5_000, 11)
    document = measure_drift(PROFILE, frame, scores, "digest", RULE, target="default", note="so it is")
    assert (document["status"], document["label"]["status"], document["note"]) == ("stable", "stable", "so it is")
    assert document["label"]["reference"]["n"] == 15_000
    assert document["actual"]["n"] == document["estimated"]["n"] == 5_000
    for metric in ("roc_auc", "brier"):
        estimate = document["estimated"][metric]
        assert estimate["low"] < document["actual"][metric]["value"] < estimate["high"]
    unlabelled = measure_drift(PROFILE, frame.drop(columns="default"), scores, "digest", RULE, target="default")
    assert unlabelled["estimated"] == document["estimated"]


def test_a_changed_rate_of_labels_warns_and_never_alerts() -> None:
    document = measure_drift(PROFILE, *labelled(5_000, 12, odds=6.0), "digest", RULE, target="default")
    assert (document["status"], document["label"]["status"], document["label"]["rule"]) == ("warn", "warn", "rate")
    assert {one["status"] for one in document["features"]} == {"stable"}


@pytest.mark.parametrize("known", [0, 1, 199])
def test_few_or_no_known_labels_leave_the_status_alone(known: int) -> None:
    frame, scores = labelled(5_000, 13, odds=50.0)
    frame["default"] = frame["default"].where(np.arange(5_000) < known)
    document = measure_drift(PROFILE, frame, scores, "digest", RULE, target="default")
    assert document["status"] == "stable"
    assert (document["label"] is None) == (document["actual"] is None) == (known == 0)
    if known:
        assert document["label"]["status"] == "insufficient-data"
        assert document["actual"]["n"] == known
    readable_json(document)


def test_a_profile_that_counts_no_labels_takes_the_scores_at_their_word() -> None:
    older = msgspec.structs.replace(PROFILE, labels=None, calibration=None)
    document = measure_drift(older, *labelled(5_000, 14, odds=50.0), "digest", RULE, target="default")
    assert (document["status"], document["label"]["status"]) == ("stable", "insufficient-data")
    assert document["estimated"]["assumes"].startswith("the scores are true probabilities")


@pytest.mark.parametrize("wrong", [2.0, -1.0, 0.5, np.inf])
def test_labels_other_than_0_and_1_are_refused(wrong: float) -> None:
    frame, scores = labelled(300, 15)
    frame.loc[7, "default"] = wrong
    with pytest.raises(InputError, match="labels in column default hold 1 values other than 0, 1 and missing"):
        measure_drift(PROFILE, frame, scores, "digest", RULE, target="default")


def test_which_rule_fired_is_for_machines_too() -> None:
    frame, scores = batch(1_000, 16)
    odd = frame.assign(income=frame["income"] + 1.0, purpose=frame["purpose"].where(np.arange(1_000) >= 31, "crypto"))
    found = measured(odd, scores)
    assert {name: one["rule"] for name, one in found.items() if name} == {
        "income": "psi",
        "purpose": "unseen",
        "late": None,
        "score": None,
    }
    assert {one["rule"] for name, one in measured(*batch(50, 17)).items() if name} == {"rows"}
