"""What each released version of the kit wrote is served, pulled, compared with and rolled back to by this one.

A change of a format after a release fails here, unless the form before is still read. Made by `scripts/released add`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Run
from serving import Client
from support import edit_params, invoke, succeed, tree

from lockgate.ci.nightly.history import decide, read_history
from lockgate.config.version import __version__
from lockgate.documents.golden_json import GoldenPredictions
from lockgate.model.bundle import verify_bundle
from lockgate.service.bundle import read_bundle, require_verdict
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

RELEASED = Path(__file__).parents[1] / "released"
ENTRIES = sorted(path for path in RELEASED.iterdir() if path.is_dir())
SCORE, DIGEST = "lockgate_score", "lockgate_digest"


@pytest.fixture(params=ENTRIES, ids=lambda path: path.name)
def entry(request: pytest.FixtureRequest) -> Path:
    """What one released version wrote."""
    return Path(request.param)


def registered(entry: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((entry / "registered.json").read_bytes())
    return found


def digest(entry: Path) -> str:
    return str(registered(entry)["tags"]["lockgate.digest"])


def restore(entry: Path, project: Path) -> None:
    """Put the version into the project's registry as its kit left it there: artifacts, tags, run and champion."""
    import mlflow

    known = registered(entry)
    mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    experiment = client.create_experiment(known["name"], artifact_location=(project / "mlartifacts").as_uri())
    run = client.create_run(experiment, tags=known["run_tags"]).info.run_id
    model = client.create_logged_model(experiment, name="model", source_run_id=run).model_id
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(entry / "artifacts", folder, dirs_exist_ok=True)
        client.log_model_artifacts(model, folder)
    client.set_tag(run, "lockgate.model_id", model)
    client.set_terminated(run)
    client.create_registered_model(known["name"])
    client.create_model_version(
        known["name"], source=f"models:/{model}", run_id=run, model_id=model, tags=known["tags"]
    )
    for alias in ("challenger", "champion"):
        client.set_registered_model_alias(known["name"], alias, "1")


def test_this_version_has_its_entry() -> None:
    """So that a change of format shows before the release: make it anew with `scripts/released add`."""
    assert __version__ in [path.name for path in ENTRIES]


def test_what_it_signed_is_served_with_the_same_scores(entry: Path) -> None:
    folder = entry / "artifacts/bundle"
    bundle = read_bundle(folder)
    gate = entry / "artifacts/evidence/gate.json"
    assert require_verdict(bundle.digest, folder, gate, False, str(entry / "verify.pem")) == "pass"
    client = Client(Worker(bundle, "pass", Settings()))
    golden = GoldenPredictions.read_file(folder / "golden.json")
    complete = golden.complete(bundle.schema)
    answers = client.ask("/predict/batch", {"rows": [row for row, _ in complete]}).json["rows"]
    assert [one["probability"] for one in answers] == pytest.approx([expected for _, expected in complete], abs=1e-6)


def test_its_decisions_are_scored_as_they_were_and_are_a_batch_of_today(entry: Path, project: Path, run: Run) -> None:
    decisions = pd.read_parquet(entry / "decisions")
    bundle = read_bundle(entry / "artifacts/bundle")
    rows = json.loads(decisions[bundle.schema.feature_names].to_json(orient="records", double_precision=15))
    answers = Client(Worker(bundle, "pass", Settings())).ask("/predict/batch", {"rows": rows}).json["rows"]
    assert [one["probability"] for one in answers] == pytest.approx(decisions[SCORE].tolist(), abs=1e-7)
    assert set(decisions[DIGEST]) == {digest(entry)}
    shutil.rmtree(project / "models")
    shutil.copytree(entry / "artifacts/bundle", project / "models")
    succeed(run("drift", "--current", str(entry / "decisions")))
    assert json.loads((project / "reports/drift.json").read_bytes())["n_current"] == len(decisions)


def test_its_nights_are_known(entry: Path) -> None:
    runs = read_history((entry / "drift_history.json").read_bytes(), datetime.now(UTC))
    assert runs is not None
    assert {one.model for one in runs} == {digest(entry)}
    assert decide(runs, 1, 1).judged == 1


def test_its_champion_is_pulled_with_its_signature(
    entry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_text(json.dumps({"register": {"model_name": registered(entry)["name"]}}))
    restore(entry, tmp_path)
    monkeypatch.setenv("LOCKGATE_VERIFY_KEY", str(entry / "verify.pem"))
    succeed(invoke(tmp_path, "pull"))
    assert verify_bundle(tmp_path / "models").digest == digest(entry)
    pulled, kept = tree(tmp_path / "models"), tree(entry / "artifacts/bundle")
    assert {name: pulled[name] for name in kept} == kept
    assert pulled["gate.json.dsse"] == (entry / "artifacts/evidence/gate.json.dsse").read_bytes()


def test_its_champion_is_compared_with_replaced_and_rolled_back_to(entry: Path, project: Path, run: Run) -> None:
    """The project's own model is trained on more rows, in more rounds, and beats it."""
    name = registered(entry)["name"]
    edit_params(project, register={"model_name": name}, gate={"champion": {"source": "registry"}})
    restore(entry, project)
    for command in (["champion", "--policy", "params.yaml"], ["gate", "--champion", "reports/champion.parquet"]):
        succeed(run(*command))
    assert json.loads((project / "reports/gate.json").read_bytes())["champion"] == digest(entry)
    succeed(run("register", "--promote"))
    succeed(run("pull"))
    own = verify_bundle(project / "models").digest
    assert own != digest(entry)
    succeed(run("promote", "1"))
    succeed(run("pull"))
    assert verify_bundle(project / "models").digest == digest(entry)
