"""`lockgate profile`: counts of parts in a bundle's bins add up to those of the whole, and what does not add up is refused."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import pandas as pd
import pytest
from conftest import Run, copy_project
from msgspec.structs import replace
from support import assert_refused, invoke, succeed

import lockgate
from lockgate.documents.profile_json import Calibration, DriftRule, FeatureProfile, Profile
from lockgate.drift.measurement import measure_against_profile

TRAIN = "data/train.parquet"
BUNDLE = "models/profile.json"


@pytest.fixture(scope="module")
def project(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained project in which the training rows stand whole and as three files, and are counted."""
    project = copy_project(trained_project, tmp_path_factory.mktemp("profile") / "project")
    rows = pd.read_parquet(project / TRAIN)
    rows.head(100).to_csv(project / "part-0.csv", index=False)
    rows[100:900].to_parquet(project / "part-1.parquet", row_group_size=450)
    rows[900:].to_parquet(project / "part-2.parquet")
    for file in (TRAIN, "part-0.csv", "part-1.parquet", "part-2.parquet"):
        counted = invoke(project, "profile", "count", file, "--output", f"{Path(file).stem}.json")
        assert "rows in the bins of model" in succeed(counted).stdout
    return project


@pytest.fixture
def counted(project: Path) -> list[Profile]:
    """The whole and its three parts."""
    return [Profile.read_file(project / f"{name}.json") for name in ("train", "part-0", "part-1", "part-2")]


def test_parts_counted_like_the_bundle_are_the_whole_in_any_order(
    project: Path, run: Run, counted: list[Profile]
) -> None:
    whole, *parts = counted
    for order in permutations(parts):
        assert lockgate.merge_profiles(*order).to_bytes() == whole.to_bytes()
    first, second, third = parts
    left = lockgate.merge_profiles(lockgate.merge_profiles(first, second), third)
    assert left == lockgate.merge_profiles(first, lockgate.merge_profiles(second, third)) == whole
    files = ["part-2.json", "part-0.json", "part-1.json"]
    succeed(run("profile", "merge", *files, "--output", "all.json"))
    assert (project / "all.json").read_bytes() == (project / "train.json").read_bytes()


def test_the_training_rows_counted_again_are_the_bundles_profile(project: Path, counted: list[Profile]) -> None:
    trained, again = Profile.read_file(project / BUNDLE), counted[0]
    assert again.n == len(pd.read_parquet(project / TRAIN))
    assert (again.n, again.labels, again.rule) == (trained.n, trained.labels, trained.rule)
    assert (again.calibration, again.performance) == (trained.calibration, trained.performance)
    assert again.segments == trained.segments
    assert again.segments
    assert [plain(one) for one in again.features[:-1]] == [plain(one) for one in trained.features[:-1]]
    assert (again.features[-1].edges, again.features[-1].n) == (trained.features[-1].edges, again.n)
    assert again.leaves is not None
    assert again.leaves.n == again.n


def plain(feature: FeatureProfile) -> FeatureProfile:
    return replace(feature, scores=None)


def test_drift_from_the_merged_profile_is_drift_from_the_whole(project: Path, counted: list[Profile]) -> None:
    whole, *parts = counted
    current = pd.read_parquet(project / "data/current.parquet")
    psi = [
        [one.psi for one in measure_against_profile(profile, current).features]
        for profile in (whole, lockgate.merge_profiles(*parts))
    ]
    assert psi[0] == psi[1]
    assert any(value and value > 0.0 for value in psi[0])


def test_what_cannot_be_added_is_left_out_with_a_warning(project: Path, run: Run, counted: list[Profile]) -> None:
    other = replace(counted[1], calibration=Calibration(10, 0.5, 1.0, (0.1, 0.0, 0.1)), performance=None)
    other = replace(other, features=tuple(map(plain, other.features)), labels=None)
    (project / "other.json").write_bytes(other.to_bytes())
    ended = succeed(run("profile", "merge", "part-1.json", "other.json", "--output", "both.json"))
    assert "no calibration, no performance, no held-out scores" in ended.stderr
    both = Profile.read_file(project / "both.json")
    assert (both.calibration, both.performance, both.features[0].scores) == (None, None, None)
    assert both.labels == counted[2].labels
    assert lockgate.merge_profiles(other, counted[2]) == both


def test_profiles_that_count_otherwise_are_refused(project: Path, run: Run, counted: list[Profile]) -> None:
    one = counted[1]
    income = next(place for place, each in enumerate(one.features) if each.kind == "numeric")
    edges = one.features[income].edges
    moved = replace(one.features[income], edges=(edges[0] - 1.0, *edges[1:]))
    features = (*one.features[:income], moved, *one.features[income + 1 :])
    (project / "apart.json").write_bytes(replace(one, features=features).to_bytes())
    refused = run("profile", "merge", "part-1.json", "apart.json", "--output", "refused.json")
    assert_refused(refused, f"apart.json cannot be added to part-1.json: feature {moved.name} has other edges")
    assert not (project / "refused.json").exists()
    others = {
        "its features are others": replace(one, features=one.features[1:], segments=()),
        "its rule of drift": replace(one, rule=DriftRule(0.9, 0.9, 0.9, 0.9, 1, 0.9)),
        "other values apart": replace(one, segments=()),
        "the leaves of other trees": replace(one, leaves=None),
    }
    for reason, other in others.items():
        with pytest.raises(lockgate.InputError, match=f"profile 2 cannot be added to profile 1: .*{reason}"):
            lockgate.merge_profiles(one, other)


def test_what_is_no_profile_and_no_rows_are_refused(project: Path, run: Run) -> None:
    with pytest.raises(lockgate.InputError, match="there is no profile to merge"):
        lockgate.merge_profiles()
    (project / "other.json").write_text(json.dumps({"schema": 3}))
    assert_refused(run("profile", "merge", BUNDLE, "absent.json", "--output", "all.json"), "absent.json")
    assert_refused(run("profile", "merge", BUNDLE, "other.json", "--output", "all.json"), "other.json")
    assert run("profile", "merge", "--output", "all.json").exit_code == 2


def test_rows_that_have_no_bin_and_columns_that_are_not_there_are_refused(project: Path, run: Run) -> None:
    rows = pd.read_parquet(project / TRAIN).head(50)
    schema = lockgate.Schema.read_file(project / "models/schema.json")
    category = next(one.name for one in schema.features if one.kind == "categorical")
    rows.assign(**{category: "never-seen"}).to_csv(project / "unseen.csv", index=False)
    refused = run("profile", "count", "unseen.csv", "--output", "unseen.json")
    assert_refused(refused, f"column {category} has 'never-seen' in 50 rows, of which the profile has no bin")
    rows.drop(columns=category).to_csv(project / "fewer.csv", index=False)
    assert_refused(run("profile", "count", "fewer.csv", "--output", "fewer.json"), category)
    rows.head(0).to_parquet(project / "none.parquet")
    assert_refused(run("profile", "count", "none.parquet", "--output", "none.json"), "no rows")
    assert not {"unseen.json", "fewer.json", "none.json"} & {path.name for path in project.iterdir()}
