"""drift.json from elsewhere: read where it is well, kept where it is not, and never in a prediction's way."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from drift_results import with_every_part
from msgspec import convert
from serving import Client
from support import invoke

from lockgate.documents.drift_json import DRIFT_STATUSES, MOVED, DriftResult
from lockgate.service.bundle import VerifiedBundle
from lockgate.service.drift.nightly import MAX_BYTES, NightlySource


@pytest.fixture(scope="module")
def drift(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The drift.json of the trained project."""
    import shutil

    folder = Path(shutil.copytree(trained_project, tmp_path_factory.mktemp("drift") / "project"))
    assert invoke(folder, "drift").exit_code == 0
    value: dict[str, Any] = json.loads((folder / "reports" / "drift.json").read_bytes())
    return value


def source(location: str) -> NightlySource:
    return NightlySource(location, 60.0)


def test_its_numbers_and_its_time_are_shown(make_client: Any, drift: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "drift.json"
    path.write_text(json.dumps({**drift, "time": "2026-11-25T02:00:00Z"}))
    client: Client = make_client(drift=str(path))
    client.worker.nightly.read()
    metrics, shown = client.metrics(), client.ask("/drift").json
    for one in drift["features"]:
        assert metrics[f"lockgate_nightly_psi{{feature={one['name']}}}"] == one["psi"]
        assert metrics[f"lockgate_nightly_psi_threshold{{feature={one['name']}}}"] == one["threshold"]
    assert metrics[f"lockgate_nightly_drift_status{{status={drift['status']}}}"] == 1
    assert metrics["lockgate_nightly_drift_timestamp_seconds"] == 1795572000
    assert metrics["lockgate_nightly_drift_matches_model"] == metrics["lockgate_drift_source_up"] == 1
    assert (shown["nightly"]["features"], shown["problem"]) == (drift["features"], None)
    assert shown["time"] == "2026-11-25T02:00:00Z"


def test_without_a_time_of_its_own_it_has_the_files(drift: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "drift.json"
    path.write_text(json.dumps(drift))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    found = source(str(path))
    found.read()
    assert found.latest.time == 1_700_000_000


def test_of_another_model_it_says_so(bundle: VerifiedBundle, drift: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "drift.json"
    path.write_text(json.dumps({**drift, "model": "0" * 64}))
    found = source(str(path))
    found.read()
    assert found.latest.matches(bundle.digest) == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b" " * (MAX_BYTES + 1),
    ],
    ids=range(6),
)
def test_a_bad_one_leaves_the_last_good_one_and_is_named(
    make_client: Any, drift: dict[str, Any], tmp_path: Path, content: bytes, body: bytes
) -> None:
    path = tmp_path / "drift.json"
    path.write_text(json.dumps(drift))
    client: Client = make_client(drift=str(path))
    client.worker.nightly.read()
    path.write_bytes(content)
    client.worker.nightly.read()
    metrics, shown = client.metrics(), client.ask("/drift").json
    assert metrics["lockgate_drift_source_up"] == 0
    assert metrics[f"lockgate_nightly_drift_status{{status={drift['status']}}}"] == 1
    assert shown["nightly"]
    assert "cannot be read" in shown["problem"]
    assert client.ask("/predict", body).status == 200


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "drift.json")
    found = source(str(tmp_path / "drift.json"))
    found.read()
    assert "a folder, a pipe or a device" in str(found.latest.problem)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 1},
        {"status": "fine"},
        {"status": ["warn"]},
        {"features": [1]},
        {"features": [{"psi": 0.1}]},
        {"time": "yesterday"},
        {"time": "2026-11-25T02:00:00"},
        {"time": 7},
        {"note": "\ud800"},
        {"odd": 1},
    ],
    ids=str,
)
def test_one_that_does_not_fit_its_type_is_refused(
    drift: dict[str, Any], tmp_path: Path, change: dict[str, Any]
) -> None:
    path = tmp_path / "drift.json"
    path.write_text(json.dumps(drift))
    found = source(str(path))
    found.read()
    path.write_text(json.dumps({**drift, **change}))
    found.read()
    assert (found.latest.up, found.latest.result is None) == (0.0, False)
    assert "cannot be read" in str(found.latest.problem)


def test_a_feature_that_it_does_not_have_has_no_number(make_client: Any, drift: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "drift.json"
    path.write_text(json.dumps({**drift, "features": drift["features"][1:]}))
    client: Client = make_client(drift=str(path))
    client.worker.nightly.read()
    metrics, (absent, there) = client.metrics(), drift["features"][:2]
    assert math.isnan(metrics[f"lockgate_nightly_psi{{feature={absent['name']}}}"])
    assert math.isnan(metrics[f"lockgate_nightly_effect{{feature={absent['name']},of=score}}"])
    assert metrics[f"lockgate_nightly_psi{{feature={there['name']}}}"] == there["psi"]


PARTS = {"performance": "alert", "estimated": "warn", "model_drift": "warn", "segments": "warn"}


@pytest.fixture
def told(make_client: Any, drift: dict[str, Any], tmp_path: Path) -> Client:
    """A service that has read a night in which every part of drift.json says something."""
    path = tmp_path / "drift.json"
    path.write_bytes(with_every_part(convert(drift, DriftResult)).to_bytes())
    client: Client = make_client(drift=str(path))
    client.worker.nightly.read()
    return client


def test_performance_is_shown_with_interval_threshold_and_reference(told: Client) -> None:
    shown = told.metrics()
    name = "lockgate_nightly_performance"
    for end, value in (("", 0.577), ("_low", 0.557), ("_high", 0.597), ("_threshold", 0.7), ("_reference", 0.79)):
        assert shown[f"{name}{end}{{metric=roc_auc}}"] == pytest.approx(value)
    assert math.isnan(shown[f"{name}_threshold{{metric=pr_auc}}"])  # it has none
    assert shown[f"{name}{{metric=calibration_slope}}"] == 0.3
    assert shown["lockgate_nightly_labels"] == 5_071


def test_the_estimate_is_shown_with_its_interval_and_whether_labels_refute_it(told: Client) -> None:
    shown = told.metrics()
    name = "lockgate_nightly_estimated_performance"
    found = [shown[f"{name}{end}{{metric=brier}}"] for end in ("", "_low", "_high")]
    assert found == pytest.approx([0.12, 0.10, 0.14])
    assert shown[f"{name}{{metric=roc_auc}}"] == pytest.approx(0.78)
    assert shown["lockgate_nightly_estimate_refuted"] == 1


def test_model_drift_segments_and_effects_are_shown(told: Client, drift: dict[str, Any]) -> None:
    shown = told.metrics()
    ends = {"": 0.5, "_expected": 0.1, "_limit": 0.2, "_p_value": 0.0001}
    assert {end: shown[f"lockgate_nightly_model_drift{end}"] for end in ends} == ends
    assert shown["lockgate_nightly_segments"] == 1
    assert shown["lockgate_nightly_batch_newest_timestamp_seconds"] == 1795478400  # 2026-11-24
    name = drift["features"][0]["name"]
    for of, value in (("score", 0.01), ("favourable", -0.02), ("events", 0.003)):
        assert shown[f"lockgate_nightly_effect{{feature={name},of={of}}}"] == value
    for one in drift["features"]:
        assert shown[f"lockgate_nightly_moved{{feature={one['name']}}}"] == (one["status"] in MOVED)


def test_each_part_has_its_own_status(told: Client) -> None:
    shown = told.metrics()
    for part, own in PARTS.items():
        found = {s for s in DRIFT_STATUSES if shown[f"lockgate_nightly_part_status{{part={part},status={s}}}"]}
        assert found == {own}


def test_what_the_night_did_not_judge_has_no_number_and_no_status(
    make_client: Any, drift: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "drift.json"
    nothing = {
        "label": None,
        "performance": None,
        "estimated": None,
        "model_drift": None,
        "segments": [],
        "newest": None,
    }
    path.write_text(json.dumps({**drift, **nothing}))
    client: Client = make_client(drift=str(path))
    client.worker.nightly.read()
    shown = client.metrics()
    for part in ("label", *PARTS):
        assert not any(shown[f"lockgate_nightly_part_status{{part={part},status={s}}}"] for s in DRIFT_STATUSES)
    numbers = (
        "labels",
        "performance{metric=roc_auc}",
        "estimated_performance{metric=roc_auc}",
        "model_drift",
        "batch_newest_timestamp_seconds",
    )
    assert all(math.isnan(shown[f"lockgate_nightly_{name}"]) for name in numbers)
    assert shown["lockgate_nightly_segments"] == 0


def test_drift_says_all_of_the_night_in_words(told: Client) -> None:
    night = told.ask("/drift").json["nightly"]
    assert night["performance"]["reason"] == "the model no longer ranks"
    assert night["estimated"]["refuted"] is True
    assert night["model_drift"]["features"] == ["income"]
    assert night["segments"][0]["value"] == "west"
    assert night["features"][0]["effect"]["favourable"] == -0.02


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/drift.json", "/nowhere/drift.json", "/"])
def test_one_that_is_away_is_named_and_no_more(make_client: Any, location: str, body: bytes) -> None:
    client: Client = make_client(drift=location)
    client.worker.nightly.read()
    assert client.metrics()["lockgate_drift_source_up"] == 0
    assert client.ask("/drift").json["nightly"] is None
    assert client.ask("/predict", body).status == 200


def test_none_at_all_is_neither_up_nor_down(client: Client) -> None:
    assert math.isnan(client.metrics()["lockgate_drift_source_up"])
    assert "no drift source" in client.ask("/drift").json["problem"]
