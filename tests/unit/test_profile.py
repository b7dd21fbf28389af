"""The frozen profile: what it holds, that it survives its file, and every refusal."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lockgate.config.errors import InputError
from lockgate.config.params import Drift
from lockgate.documents.profile_json import (
    DriftRule,
    FeatureGroups,
    FeatureProfile,
    LabelCounts,
    Profile,
    interval_names,
    just_below,
)
from lockgate.documents.schema_json import Feature, Schema, TargetClasses
from lockgate.drift.profile import HeldOut, build_profile, count_rows

ROWS = 1_000


def feature(name: str, *categories: str) -> Feature:
    kind = "categorical" if categories else "numeric"
    return Feature(name, kind, False, True, tuple(categories), None, None, name)


SCHEMA = Schema(
    target="default",
    classes=TargetClasses(("1",), ("0",)),
    features=(feature("income"), feature("purpose", "car", "home"), feature("late"), feature("empty")),
    audit=(),
    id_columns=(),
    time_column=None,
    weight_column=None,
    columns=(),
)


def table(seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    income = random.lognormal(size=ROWS)
    income[:20] = np.nan
    purpose = pd.Series(random.choice(["home", "car"], ROWS)).astype("str")
    purpose[:7] = None
    return pd.DataFrame(
        {"late": random.poisson(0.2, ROWS), "purpose": purpose, "income": income, "empty": np.full(ROWS, np.nan)}
    )


def made(threads: int = 2) -> Profile:
    random = np.random.default_rng(1)
    scores = random.random(300).astype(np.float32)
    labelled = table().assign(default=np.where(np.arange(ROWS) < 990, np.arange(ROWS) % 5 == 0, np.nan))
    return build_profile(labelled, SCHEMA, Drift(), HeldOut(scores, random.random(300) < scores), threads)


def document() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(made().to_bytes())
    return content


def test_features_in_the_schemas_order_with_missing_rows_last() -> None:
    profile = made()
    assert [(one.name, one.kind) for one in profile.features] == [
        ("income", "numeric"),
        ("purpose", "categorical"),
        ("late", "numeric"),
        ("empty", "numeric"),
        ("score", "score"),
    ]
    income, purpose, late, empty, score = profile.features
    assert income.counts == (98,) * 10 + (20,)
    assert purpose.counts[-1] == 7
    assert purpose.bin_names == ("car", "home", "missing")
    assert sum(late.counts) == ROWS
    assert (empty.edges, empty.counts, empty.bin_names) == ((), (0, ROWS), ("(-inf, inf)", "missing"))
    assert (profile.n, score.n) == (ROWS, 300)


def test_the_file_gives_the_profile_back_and_does_not_depend_on_threads(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_bytes(made().to_bytes())
    assert Profile.read_file(path) == made() == made(threads=1)
    assert made(threads=3).to_bytes() == path.read_bytes()


def test_outcomes_are_in_the_profile_and_a_profile_without_them_is_read() -> None:
    profile = made()
    assert profile.labels == LabelCounts(990, 198)
    assert profile.calibration is not None
    assert profile.calibration.n == 300
    assert profile.calibration.slope == pytest.approx(1.0, abs=0.5)
    unlabelled = build_profile(table(), SCHEMA, Drift(), HeldOut(np.zeros(3)))
    assert (unlabelled.labels, unlabelled.calibration) == (None, None)
    assert Profile.read(unlabelled.to_bytes(), "models/profile.json") == unlabelled


def test_the_drift_settings_of_the_training_are_in_the_profile() -> None:
    settings = Drift(effect_floor=0.03, warn=0.2, alert=0.4, family_error=0.01, min_rows=50, unseen_share=0.05)
    profile = build_profile(table(), SCHEMA, settings, HeldOut(np.zeros(3)))
    assert profile.rule == DriftRule(0.03, 0.2, 0.4, 0.01, 50, 0.05)
    assert json.loads(profile.to_bytes())["rule"]["family_error"] == 0.01


def test_the_training_rows_counted_again_are_the_profile() -> None:
    profile = made()
    counted = count_rows(profile.features, table(), np.random.default_rng(1).random(300).astype(np.float32))
    assert [tuple(one.counts.tolist()) for one in counted] == [one.counts for one in profile.features]


def test_a_training_category_that_the_schema_lacks_is_an_error() -> None:
    rows = table()
    rows.loc[500, "purpose"] = "crypto"
    with pytest.raises(ValueError, match=r"purpose.*crypto"):
        build_profile(rows, SCHEMA, Drift(), HeldOut(np.zeros(3)))


def test_a_column_that_is_gone_or_changed_its_type_is_named() -> None:
    profile, scores = made(), np.zeros(ROWS)
    with pytest.raises(InputError, match="no column income"):
        count_rows(profile.features, table().drop(columns="income"), scores)
    with pytest.raises(InputError, match="column late holds str"):
        count_rows(profile.features, table().assign(late="3 days"), scores)


@pytest.mark.parametrize(
    ("edges", "labels"),
    [
        ((), ("(-inf, inf)",)),
        ((1200.0,), ("(-inf, 1200.0]", "(1200.0, inf)")),
        ((0.1, 2.5), ("(-inf, 0.1]", "(0.1, 2.5]", "(2.5, inf)")),
        ((just_below(0.0), 0.0, 3.0), ("(-inf, 0.0)", "[0.0, 0.0]", "(0.0, 3.0]", "(3.0, inf)")),
        ((just_below(-5.0), -5.0), ("(-inf, -5.0)", "[-5.0, -5.0]", "(-5.0, inf)")),
        ((1 / 3,), ("(-inf, 0.333333]", "(0.333333, inf)")),
        ((1234567.25, 1234567.5), ("(-inf, 1234567.25]", "(1234567.25, 1234567.5]", "(1234567.5, inf)")),
    ],
)
def test_labels(edges: tuple[float, ...], labels: tuple[str, ...]) -> None:
    assert interval_names(edges) == labels


def _set(*path: Any) -> Callable[[dict[str, Any]], None]:
    """A change that puts the last of `path` where the others lead."""

    def change(content: Any) -> None:
        for step in path[:-2]:
            content = content[step]
        content[path[-2]] = path[-1]

    return change


REFUSALS = {
    "other schema": (_set("schema", 1), "has `schema` 1, .* reads 3; an older Lockgate wrote it"),
    "unknown key": (_set("extra", 1), "unknown key `extra`"),
    "rows as text": (_set("n", "1000"), r"\$.n`: expected `int`"),
    "rows true": (_set("n", True), r"\$.n`: expected `int`"),
    "no rows": (_set("n", 0), r"\$.n`: expected `int` >= 1"),
    "no features": (_set("features", []), "score does not stand once"),
    "features an object": (_set("features", {}), "expected `array`"),
    "feature a number": (_set("features", 0, 7), r"features\[0\]`: expected `object`"),
    "unknown kind": (_set("features", 0, "kind", "text"), r"features\[0\].kind"),
    "kind a list": (_set("features", 0, "kind", []), r"features\[0\].kind"),
    "edge NaN": (_set("features", 0, "edges", 3, float("nan")), "NaN or Infinity"),
    "edge text": (_set("features", 0, "edges", 3, "1"), r"edges\[3\]`: expected `float`"),
    "edge too large": (_set("features", 0, "edges", 3, 10**400), "endless number"),
    "edges unsorted": (_set("features", 0, "edges", 0, 1e9), "income: its edges do not increase"),
    "edges gone": (_set("features", 0, "edges", None), "edges`: expected `array`"),
    "edges of categories": (_set("features", 1, "edges", [0.0]), "purpose is categorical and has edges"),
    "categories of numbers": (_set("features", 0, "categories", ["a"]), "income is of numbers and has categories"),
    "count lost": (_set("features", 0, "counts", [1]), "counts are not 11 numbers"),
    "count negative": (_set("features", 0, "counts", 0, -98), r"counts\[0\]`: expected `int` >= 0"),
    "count a float": (_set("features", 0, "counts", 0, 98.5), r"counts\[0\]`: expected `int`"),
    "count changed": (_set("features", 0, "counts", 0, 99), "income counts 1001 rows, not 1000"),
    "rows of a feature": (_set("features", 1, {"name": "p", "kind": "categorical", "edges": [], "categories": [],
                                               "counts": [5]}), "counts 5 rows"),
    "category twice": (_set("features", 1, "categories", ["car", "car"]), "stands twice"),
    "category a number": (_set("features", 1, "categories", [1, 2]), r"categories\[0\]`: expected `str`"),
    "name twice": (_set("features", 0, "name", "late"), "same name, late"),
    "labels more": (_set("labels", {"n": 5, "positives": 1, "negatives": 4}), "unknown key `negatives`"),
    "labels negative": (_set("labels", {"n": 5, "positives": -1}), "labels.positives"),
    "positives above rows": (_set("labels", {"n": 5, "positives": 6}), "more positives than labels"),
    "labels above rows": (_set("labels", {"n": 1001, "positives": 6}), "more labels than rows"),
    "calibration a number": (_set("calibration", 1.0), r"\$.calibration"),
    "calibration cut": (_set("calibration", {"n": 9, "intercept": 0.0, "slope": 1.0}), "lacks the key"),
    "calibration NaN": (_set("calibration", "slope", float("nan")), "NaN or Infinity"),
    "covariance cut": (_set("calibration", "covariance", [0.1]), "calibration.covariance"),
    "variance negative": (_set("calibration", "covariance", [0.1, 0.0, -0.1]), "negative variance"),
    "rule gone": (_set("rule", None), r"\$.rule"),
    "rule that errs always": (_set("rule", "family_error", 1.0), "rule.family_error"),
    "score renamed": (_set("features", 4, "kind", "numeric"), "score does not stand once"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_wrong_profile_is_refused_with_its_file_and_fault(name: str) -> None:
    change, fault = REFUSALS[name]
    content = copy.deepcopy(document())
    change(content)
    with pytest.raises(InputError, match=fault) as refusal:
        Profile.read(json.dumps(content).encode(), "models/profile.json")
    assert str(refusal.value).startswith("models/profile.json ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_file_that_is_no_json_object_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"profile\.json"):
        Profile.read_file(path)


def test_a_category_called_missing_is_not_the_bin_of_missing_values() -> None:
    feature = FeatureProfile("phone", "categorical", (), ("(missing)", "missing", "mobile"), (1, 2, 3, 4))
    assert feature.bin_names == ("(missing)", "missing", "mobile", "((missing))")


@pytest.mark.parametrize("groups", [(0, 2), (1,), (0, 9 * 10**15)])
def test_groups_that_leave_out_a_number_are_refused_however_large_it_is(groups: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="the groups of income leave out a number"):
        FeatureGroups("income", groups)


def test_groups_without_a_gap_are_taken() -> None:
    assert FeatureGroups("income", (1, 0, 1, 2)).size == 3
