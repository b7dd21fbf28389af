"""drift.json from elsewhere: read where it is well, kept where it is not, and never in a prediction's way."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from serving import Client
from support import invoke

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


def source(location: str, bundle: VerifiedBundle) -> NightlySource:
    return NightlySource(location, 60.0, bundle.profile, bundle.digest)


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


def test_without_a_time_of_its_own_it_has_the_files(
    bundle: VerifiedBundle, drift: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "drift.json"
    path.write_text(json.dumps(drift))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    found = source(str(path), bundle)
    found.read()
    assert found.latest.time == 1_700_000_000


def test_of_another_model_it_says_so(bundle: VerifiedBundle, drift: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "drift.json"
    path.write_text(json.dumps({**drift, "model": "0" * 64}))
    found = source(str(path), bundle)
    found.read()
    assert found.latest.matches_model == 0


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


def test_a_pipe_is_not_waited_for(bundle: VerifiedBundle, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "drift.json")
    found = source(str(tmp_path / "drift.json"), bundle)
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
    bundle: VerifiedBundle, drift: dict[str, Any], tmp_path: Path, change: dict[str, Any]
) -> None:
    path = tmp_path / "drift.json"
    path.write_text(json.dumps(drift))
    found = source(str(path), bundle)
    found.read()
    path.write_text(json.dumps({**drift, **change}))
    found.read()
    assert (found.latest.up, found.latest.result is None) == (0.0, False)
    assert "cannot be read" in str(found.latest.problem)


def test_a_feature_that_it_does_not_have_has_no_number(
    bundle: VerifiedBundle, drift: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "drift.json"
    path.write_text(json.dumps({**drift, "features": drift["features"][1:]}))
    found = source(str(path), bundle)
    found.read()
    assert math.isnan(found.latest.psi[0])
    assert found.latest.psi[1] == drift["features"][1]["psi"]


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
