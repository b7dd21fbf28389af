"""Where a feature moved: what is counted apart, what is found and how often in vain, and every refusal of the profile's part."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

import lockgate
from lockgate.config.params import Drift, Params
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.profile_json import Profile
from lockgate.documents.schema_json import AuditColumn, Feature, Schema, TargetClasses
from lockgate.drift import segments as module
from lockgate.drift.family_error import SEGMENTS
from lockgate.drift.measurement import measure_against_profile
from lockgate.drift.profile import HeldOut, build_profile, row_codes
from lockgate.drift.psi import psi

REGIONS = ("capital", "east", "north", "south", "west")
SHARES = (0.4, 0.25, 0.17, 0.1, 0.08)
NUMBERS = ("income", "late", "savings")


def schema(*columns: str) -> Schema:
    numbers = [Feature(name, "numeric", False, True, (), None, None, name) for name in (*NUMBERS, *columns)]
    region = Feature("region", "categorical", False, True, REGIONS, None, None, "region")
    return Schema(
        target="default",
        classes=TargetClasses(("1",), ("0",)),
        features=(*numbers, region),
        audit=(AuditColumn("age", "numeric"), AuditColumn("sex", "categorical")),
        id_columns=(),
        time_column=None,
        weight_column=None,
        columns=(),
    )


def batch(rows: int, seed: int, shares: tuple[float, ...] = SHARES) -> pd.DataFrame:
    """Incomes differ from region to region; nothing else depends on it."""
    random = np.random.default_rng(seed)
    codes = random.choice(5, rows, p=shares)
    return pd.DataFrame(
        {
            "income": random.lognormal(0.3 * codes, 0.5),
            "late": random.poisson(0.8, rows),
            "savings": random.normal(size=rows),
            "region": pd.Series(np.array(REGIONS)[codes], dtype="str"),
            "age": random.integers(18, 80, rows).astype(float),
            "sex": pd.Series(random.choice(["f", "m"], rows), dtype="str"),
        }
    )


def frozen(*columns: str, rows: int = 12_000) -> Profile:
    scores = np.random.default_rng(1).beta(2, 6, 500)
    return build_profile(batch(rows, 1), schema(), Drift(), HeldOut(scores), segment_columns=columns)


PROFILE = frozen("region", "age", "sex")


def measured(frame: pd.DataFrame, profile: Profile = PROFILE) -> DriftResult:
    return measure_against_profile(profile, frame)


def found(result: DriftResult) -> list[tuple[str, str, str, bool]]:
    return [(one.column, one.value, one.feature, one.only) for one in result.segments]


def test_each_value_is_counted_apart_as_one_would_by_hand() -> None:
    table = batch(12_000, 1)
    region, age, sex = PROFILE.segments
    assert (region.values, sex.values, region.left_out) == (REGIONS, ("f", "m"), 0)
    assert region.rows == tuple(table["region"].value_counts()[list(REGIONS)])
    assert len(age.values) == 5
    assert sum(age.rows) == 12_000
    income = PROFILE.features[0]
    bands = pd.cut(table["income"], [-np.inf, *income.edges, np.inf])
    for value, counts in zip(REGIONS, region.counts, strict=True):
        assert counts[0] == (*bands[table["region"] == value].value_counts(sort=False), 0)
    ages = pd.cut(table["age"], [-np.inf, *age.edges, np.inf])
    assert age.rows == tuple(ages.value_counts(sort=False))


def test_rare_values_are_not_counted_apart_nor_are_rows_without_one() -> None:
    table = batch(2_000, 2)
    table.loc[:28, "sex"] = "x"
    table.loc[29:58, "sex"] = "y"
    table.loc[59:90, "sex"] = None
    made = build_profile(
        table, schema(), Drift(), HeldOut(np.full(10, 0.5)), segment_columns=["sex", "absent", "default"]
    )
    (sex,) = made.segments
    assert (sex.values, sex.left_out) == (("f", "m", "y"), 1)
    assert sum(sex.rows) == 2_000 - 29 - 32


def test_what_is_counted_apart_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    table = batch(4_000, 3)
    table["sex"] = pd.Series([f"v{number % 25:02}" for number in range(4_000)], dtype="str")
    held_out = HeldOut(np.full(10, 0.5))
    (sex,) = build_profile(table, schema(), Drift(), held_out, segment_columns=["sex"]).segments
    assert (sex.values, sex.left_out) == (tuple(f"v{number:02}" for number in range(20)), 5)
    bins = sum(len(one.counts) for one in PROFILE.features[:-1])
    monkeypatch.setattr(module, "MAX_COUNTS", 4 * bins)
    sex, region = build_profile(table, schema(), Drift(), held_out, segment_columns=["sex", "region"]).segments
    assert (sex.values, region.values) == ((), ("capital", "east", "north", "south"))  # those with the most rows
    assert (sex.left_out, region.left_out) == (25, 1)
    names = ["region", "sex", "age", *NUMBERS]
    assert [
        one.column for one in build_profile(table, schema(), Drift(), held_out, segment_columns=names).segments
    ] == names[:5]


@pytest.mark.parametrize("name", ["income", "late", "savings"])
def test_a_move_in_one_region_is_found_there_and_nowhere_else(name: str) -> None:
    frame = batch(5_000, 4)
    west = frame["region"] == "west"
    frame.loc[west, name] = 0
    result = measured(frame)
    assert found(result) == [("region", "west", name, True)]
    (one,) = result.segments
    assert one.share == west.mean()
    assert (one.rows, one.status) == (int(west.sum()), "alert")
    assert result.status == "alert"
    assert one.p_value <= one.error == 0.05 * SEGMENTS / (5 * 3 + 7 * 4)
    profile = PROFILE.features[NUMBERS.index(name)]
    codes = row_codes([profile], frame)[0]
    before = PROFILE.segments[0].counts[4][NUMBERS.index(name)]
    assert one.psi == pytest.approx(psi(before, np.bincount(codes[west], minlength=len(before))), rel=1e-12)
    others = np.array(profile.counts) - before
    assert one.psi_elsewhere == pytest.approx(psi(others, np.bincount(codes[~west], minlength=len(before))), rel=1e-12)
    assert DriftResult.read(result.to_bytes(), "drift.json") == result


def test_two_regions_that_moved_are_both_named() -> None:
    frame = batch(5_000, 5)
    frame.loc[frame["region"].isin(["west", "south"]), "savings"] += 1.5
    assert sorted(found(measured(frame))) == [("region", "south", "savings", True), ("region", "west", "savings", True)]


def test_one_sentence_tells_of_all_that_moved_in_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = batch(5_000, 5)
    there = frame["region"].isin(["west", "south"])
    frame.loc[there, "savings"] += 9.0
    frame.loc[there, "late"] += 1
    oldest = frame["age"] > PROFILE.segments[1].edges[-1]
    frame.loc[oldest, "income"] *= 3.0
    result = measured(frame)
    assert [one.feature for one in result.segments] == ["savings", "savings", "late", "late", "income"]
    values = " and ".join(one.value for one in result.segments[:2])
    assert [reason for _, reason in result.where] == [
        f"`savings` and `late`: only in `region` = {values}, {100 * there.mean():.2g} % of rows; elsewhere stable",
        f"`income`: only in `age` = {PROFILE.segments[1].values[-1]}, {100 * oldest.mean():.2g} % of rows; elsewhere stable",
    ]
    monkeypatch.setattr(module, "MAX_FOUND", 1)
    monkeypatch.setattr(module, "MAX_NAMED", 1)
    (one,) = measured(frame).segments
    values = f"{result.segments[0].value} and 1 more"
    assert one.reason.startswith(f"`savings` and 1 more: only in `region` = {values}, ")


def test_a_band_of_numbers_is_a_segment_too() -> None:
    frame = batch(5_000, 6)
    band = PROFILE.segments[1].values[-1]
    frame.loc[frame["age"] > PROFILE.segments[1].edges[-1], "savings"] += 1.5
    assert found(measured(frame)) == [("age", band, "savings", True)]


@pytest.mark.parametrize("shift", [0.3, 1.0, 3.0])
def test_a_feature_that_moved_everywhere_is_in_no_segment(shift: float) -> None:
    frame = batch(5_000, 7)
    result = measured(frame.assign(savings=frame["savings"] + shift))
    assert (result.segments, [one.name for one in result.moved]) == ((), ["savings"])


def test_a_region_that_moved_far_more_than_the_others_is_named_as_that() -> None:
    frame = batch(5_000, 8)
    frame["savings"] += np.where(frame["region"] == "west", 2.5, 0.25)
    result = measured(frame)
    assert found(result) == [("region", "west", "savings", False)]


def test_a_value_that_nearly_all_training_rows_had_stands_out_from_nothing() -> None:
    table = batch(4_000, 20).assign(sex=np.where(np.arange(4_000) < 20, "m", "f"))
    profile = build_profile(table, schema(), Drift(), HeldOut(np.full(10, 0.5)), segment_columns=["sex"])
    frame = batch(4_000, 21)
    frame.loc[frame["sex"] == "f", "savings"] += 3.0
    frame.loc[:200, "sex"] = "m"
    result = measured(frame, profile)
    assert (result.segments, [one.name for one in result.moved]) == ((), ["savings"])


def test_more_rows_of_one_region_are_no_move_of_what_differs_between_regions() -> None:
    result = measured(batch(5_000, 9, (0.1, 0.1, 0.2, 0.3, 0.3)))
    assert [one.name for one in result.moved] == ["income", "region"]
    assert result.segments == ()


def test_few_rows_that_moved_warn_and_alert_nobody() -> None:
    frame = batch(5_000, 10, (0.46, 0.25, 0.17, 0.08, 0.04))
    frame.loc[frame["region"] == "west", "savings"] += 3.0
    (one,) = measured(frame).segments
    assert (one.status, one.psi > 1.0) == ("warn", True)


@pytest.mark.parametrize(("slices", "columns"), [([], ["strong", "weak"]), (["weak"], ["weak"])])
def test_rows_are_divided_by_the_declared_slices_or_else_by_what_the_model_splits_on_most(
    slices: list[str], columns: list[str]
) -> None:
    random = np.random.default_rng(8)
    frame = pd.DataFrame({name: random.choice(["a", "b", "c"], 1_500) for name in ("weak", "strong")})
    frame["amount"] = random.normal(size=1_500)
    frame["late"] = (random.random(1_500) < frame["strong"].map({"a": 0.1, "b": 0.4, "c": 0.8})).astype(int)
    train = {"num_boost_round": 5, "max_depth": 2, "nthread": 1}
    params = Params.model_validate({"prepare": {"target": "late"}, "train": train, "evaluate": {"slices": slices}})
    dataset = lockgate.prepare(frame, params.prepare)
    made = lockgate.train(dataset.train, dataset.schema, params).bundle.profile
    assert [one.column for one in made.segments] == columns


def test_a_batch_without_the_column_is_measured_without_it_and_says_so() -> None:
    frame = batch(5_000, 11)
    frame.loc[frame["region"] == "west", "savings"] += 3.0
    without = measured(frame.drop(columns=["age", "sex"]))
    assert found(without) == [("region", "west", "savings", True)]
    assert without.note == "no segments by `age`, `sex`, which the batch does not have"
    assert measured(frame).note is None


@pytest.mark.parametrize("rows", [0, 1, 199])
def test_too_few_rows_have_no_segments(rows: int) -> None:
    assert measured(batch(rows, 12).assign(savings=9.0)).segments == ()


def test_new_values_of_a_feature_and_of_the_column_are_in_no_count() -> None:
    frame = batch(5_000, 13)
    frame.loc[:2_000, "region"] = "moon"
    frame.loc[2_001:2_200, "region"] = None
    frame.loc[:2_200, "savings"] += 3.0
    assert measured(frame).segments == ()


def test_clean_nights_find_something_in_vain_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an error of a half instead of an eighth of 5 %, so that a hundred nights tell; without an effect floor."""
    monkeypatch.setattr(module, "SEGMENTS", 10.0)
    rule = replace(PROFILE.rule, warn=0.0, effect_floor=0.0)
    nights = [measure_against_profile(PROFILE, batch(1_000, seed), rule=rule) for seed in range(100, 160)]
    assert sum(bool(night.segments) for night in nights) <= 0.5 * len(nights)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": (1,)}, "not 5 in each list"),
        ({"values": ("east",) * 5}, "have east twice"),
        ({"edges": (2.0, 1.0)}, "edges do not increase"),
        ({"kind": "numeric"}, "are not bands of its edges"),
        ({"rows": (1,) * 5}, "count other rows than they have"),
    ],
)
def test_segments_that_contradict_themselves_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(PROFILE.segments[0], **change)


def test_segments_in_other_bins_than_the_features_are_refused() -> None:
    region = PROFILE.segments[0]
    other = replace(region, counts=tuple(features[1:] for features in region.counts))
    with pytest.raises(ValueError, match="segments of region are not counted in the features' bins"):
        replace(PROFILE, segments=(other,))
