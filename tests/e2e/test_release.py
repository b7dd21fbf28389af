"""release.yml under act: from a tag to an image in a real registry, a version in MLflow and a release on GitHub."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.act import Project, copy_of_the_tree, repository
from fake_github import FakeGitHub
from fake_github.faults import Fault
from local_registry import Registry, registry
from ruamel.yaml import YAML

from lockgate.model.bundle import verify_bundle

ROOT = Path(__file__).parents[2]
STEPS = (
    "image / measure",
    "image / gate",
    "image / build",
    "image / attest",
    "production / production",
)
TOOLS = ROOT / "tests/e2e/release_tools"


@pytest.fixture(scope="module")
def local_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The kit's own repository with the tests' project, its dvc.lock of this commit."""
    made = copy_of_the_tree(tmp_path_factory.mktemp("release") / "kit")
    reproduce(made.path)
    made.commit("Lock")
    return made


def reproduce(folder: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["lockgate", "reproduce"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()


def store(fake: FakeGitHub, project: Project, number: int) -> None:
    """What the run of pr.yml for this commit on main has left."""
    fake.state.setdefault("artifacts", [])
    fake.state.setdefault("runs", []).append(
        {
            "id": number,
            "head_sha": project.git("rev-parse", "HEAD"),
            "head_branch": "main",
            "event": "push",
            "path": ".github/workflows/pr.yml",
        }
    )
    for name, files in {
        "bundle": sorted((project.path / "models").glob("*")),
        "report": [project.path / "reports/train.json"],
    }.items():
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for file in files:
                archive.write(file, file.name)
        content = base64.b64encode(stream.getvalue()).decode()
        fake.state["artifacts"].append(
            {"id": number * 10 + len(fake.state["artifacts"]), "run": number, "name": name, "content": content}
        )


class Here:
    """A GitHub, a registry and the stand-ins, for the runs of one test."""

    def __init__(self, project: Project, fake: FakeGitHub, where: Registry, folder: Path, name: str) -> None:
        self.project, self.fake, self.where, self.state, self.name = project, fake, where, folder / "state", name
        self.tracking = f"sqlite:///{folder / 'mlflow.db'}"
        fake.state |= {"repository": project.name, "git_dir": str(project.path / ".git")}

    def run(self, tag: str, run_id: int = 1, **variables: str) -> Any:
        self.project.git("tag", "--force", tag)
        payload = {"ref": f"refs/tags/{tag}", "repository": repository(self.project.name)}
        return self.project.run(
            "release.yml", "push", state=self.state, api_url=self.fake.url, run_id=run_id, ref=f"refs/tags/{tag}",
            payload=payload, variables={"LOCKGATE_IMAGE": f"{self.where.address}/{self.name}", **variables},
            environment={
                "PATH": f"{TOOLS / 'docker_stand_in'}:{TOOLS / 'gh_stand_in'}:{os.environ['PATH']}",
                "DOCKER_STAND_IN": str(self.state / "docker"), "DOCKER_STAND_IN_PYTHON": sys.executable,
            },
        )  # fmt: skip


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with FakeGitHub() as running:
        yield running
    assert not running.problems


@pytest.mark.full
def test_a_release_ends_the_same_from_wherever_it_runs_again(
    kit: Project, fake: FakeGitHub, local_registry: Registry, tmp_path: Path
) -> None:
    here = Here(kit, fake, local_registry, tmp_path, "acme/credit")
    store(fake, kit, 7)
    fake.state["reviewers"] = {"production": []}
    fake.faults.plan("repos/create-release", Fault(status=403, message="not now"))
    first = here.run("model-v1.0.0", MLFLOW_TRACKING_URI=here.tracking)
    assert first.jobs.get("publish / publish") == "failure", first.text
    first.expect("success", *STEPS)
    assert first.outputs["image / measure"]["taken"] == "true"
    assert first.outputs["image / measure"]["trained"] == "false", first.text
    assert "prepared once more by the kit" in first.summaries["image / gate"]
    assert "Nobody had to approve this" in first.summaries["production / production"]
    tags = local_registry.tags("acme/credit")
    assert set(tags) == {"v1.0.0", "v1.0", "stable"}
    again = here.run("model-v1.0.0", MLFLOW_TRACKING_URI=here.tracking).expect("success")
    assert local_registry.tags("acme/credit") == tags, again.text
    [published] = fake.state["releases"]
    assets = {one["name"]: base64.b64decode(one["content"]) for one in fake.state["assets"]}
    digests = json.loads(assets["digests.json"])
    assert "In production since" in published["body"]
    assert (published["draft"], set(tags.values())) == (False, {digests["image_digest"]})
    assert digests["model"] == verify_bundle(kit.path / "models").digest
    assert {"bundle.tar.gz", "gate.json", "drift.json", "metrics.json", "model-card.md", "sbom.cdx.json"} <= set(assets)
    assert registered(here.tracking) == {"1": digests["model"]}
    attested = [json.loads(file.read_text()) for file in sorted((here.state / "attestations").iterdir())]
    signed = [digests["image_digest"]] * 3 + [f"sha256:{digests['model']}"]
    assert [one["subject-digest"] for one in attested] == signed * 2  # each of the two runs
    assert {one["signer"].partition("@")[0] for one in attested} == {"OWNER/lockgate/.github/workflows/attest.yml"}


def registered(tracking: str) -> dict[str, str]:
    import mlflow

    mlflow.set_tracking_uri(tracking)
    versions = mlflow.MlflowClient().search_model_versions("name = 'credit-default-classifier'")
    return {str(one.version): one.tags["lockgate.digest"] for one in versions}


@pytest.mark.full
def test_a_model_trained_on_shuffled_labels_is_not_released(
    kit: Project, fake: FakeGitHub, local_registry: Registry, tmp_path: Path
) -> None:
    shuffled = Project(Path(shutil.copytree(kit.path, tmp_path / "kit", symlinks=True)), kit.name, tmp_path / "kit")
    source = shuffled.path / "lockgate/data/synthetic/population_tables.py"
    assert source.exists()
    here = Here(shuffled, fake, local_registry, tmp_path, "acme/shuffled")
    shuffle_labels(shuffled)
    reproduce(shuffled.path)
    shuffled.commit("Shuffle the labels")
    store(fake, shuffled, 8)
    ran = here.run("model-v1.0.0")
    assert ran.jobs.get("image / gate") == "failure", ran.text
    assert "the gate says block" in ran.text or "below" in ran.text
    assert set(ran.jobs) == {"image / measure", "image / gate"}, ran.jobs
    assert "acme/shuffled" not in local_registry.repositories
    assert not fake.state.get("releases")


def shuffle_labels(project: Project) -> None:
    """The data as a file of the project, every label another row's."""
    import numpy as np
    import pandas as pd

    rows = pd.concat([pd.read_parquet(project.path / f"data/{name}.parquet") for name in ("train", "test")])
    rows = rows.drop(columns=[name for name in rows.columns if name.startswith("_") or name == "row_key"])
    rows["default"] = np.random.default_rng(0).permutation(rows["default"].to_numpy())
    rows.to_csv(project.path / "shuffled.csv", index=False)
    params = YAML(typ="safe").load(project.path / "params.yaml")
    params["prepare"] |= {"source": "shuffled.csv", "current": None}
    with (project.path / "params.yaml").open("w") as stream:
        YAML().dump(params, stream)
