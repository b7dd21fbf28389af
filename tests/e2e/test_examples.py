"""Each of `examples/` from a clean clone, as somebody else's repository: its pull request, and all that comes after."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commented import bodies
from e2e.act import Project, copy_of_the_tree
from e2e.act_log import Run
from e2e.act_tree import git
from e2e.example_repository import ExampleRepository
from fake_github import FakeGitHub
from local_registry import registry

from lockgate.model.bundle import verify_bundle

ROOT = Path(__file__).parents[2]
RELEASE = ("image / measure", "image / gate", "image / build", "image / attest", "production / production")


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_of_the_tree(tmp_path_factory.mktemp("act") / "kit")


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub() as fake:
        yield fake
    assert not fake.problems


def gate_of(run: Run) -> Any:
    return json.loads((run.artifact("report") / "gate.json").read_text())


def champion_of(run: Run) -> dict[str, Any]:
    return next(check for check in gate_of(run)["checks"] if check["kind"] == "champion")


@pytest.fixture(scope="module")
def judged(kit: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ExampleRepository, Run]]:
    """The example `predictions` with a pull request."""
    with FakeGitHub() as fake:
        predictions = ExampleRepository(tmp_path_factory.mktemp("predictions"), "predictions", kit, fake)
        yield predictions, predictions.open_pull_request()
    assert not fake.problems


def test_a_table_of_predictions_needs_nothing_else(judged: tuple[ExampleRepository, Run]) -> None:
    run = judged[1].expect("success", "model / measure", "model / judge")
    assert gate_of(run)["verdict"] == "pass"
    assert {path.name for path in run.artifact("report").iterdir()} == {"gate.json", "metrics.json", "policy.json"}
    assert "Running stage" not in run.text


@pytest.mark.full
def test_its_verdict_is_the_pull_requests_comment(judged: tuple[ExampleRepository, Run]) -> None:
    predictions, run = judged
    predictions.comment(run).expect("success", "comment / post")
    (body,) = bodies(predictions.fake)
    assert body.startswith("## ✅ Gate passed")


@pytest.mark.full
def test_a_table_has_all_five_moments(kit: Project, github: FakeGitHub, tmp_path: Path) -> None:
    table = ExampleRepository(tmp_path, "table", kit, github)
    rows = (table.project.path / "this_month.csv").read_text().splitlines(keepends=True)
    table.project.commit("The next month", **{"next_month.csv": "".join(rows[:-1])})  # the same rows would count once
    table.project.git("push", "--quiet", str(table.remote), "main")
    first = table.push().expect("success", "model / measure", "model / judge")
    assert champion_of(first)["status"] == "not-applicable"
    assert "first model" in champion_of(first)["reason"]

    change = table.open_pull_request(**{"params.yaml": lambda text: f"{text}train: {{max_depth: 3}}\n"})
    change.expect("success", "model / measure", "model / judge")
    assert "model / champion" not in change.jobs, "the run on main stored the model to beat"
    assert champion_of(change)["status"] == "pass"
    assert gate_of(change)["model"] != gate_of(first)["model"]
    table.comment(change).expect("success", "comment / post")
    (body,) = bodies(github)
    assert body.startswith("## ✅ Gate passed")

    for night, batch in ((1, "this_month.csv"), (2, "next_month.csv")):
        variables = {"LOCKGATE_CURRENT": batch, "LOCKGATE_RETRAIN": "on-alarm"}
        ran = table.run("nightly-drift.yml", "schedule", ref="refs/heads/main", variables=variables)
        ran.expect("success", "drift / measure", "drift / judge", "drift / issue", "publish / publish")
        assert ran.outputs["drift / judge"]["state"] == ("watching" if night == 1 else "alarm")
        assert ran.outputs["drift / judge"]["worst"] == "income"
    (issue,) = github.state["issues"]
    (started,) = github.state["dispatches"]
    assert (started["workflow"], started["inputs"]) == ("retrain.yml", {"drift-issue": str(issue["number"])})
    published = json.loads(table.show("lockgate-drift:drift.json"))
    assert published["model"] == gate_of(first)["model"]

    inputs = {"overrides": "{train: {min_child_weight: 10}}", "drift-issue": str(issue["number"])}
    retrain = table.run("retrain.yml", "workflow_dispatch", ref="refs/heads/main", inputs=inputs).expect("success")
    assert retrain.outputs["retrain / propose"]["outcome"] == "proposed"
    branch = github.state["pulls"][-1]["head"]["ref"]
    assert "min_child_weight: 10" in table.show(f"{branch}:params.yaml")

    release_and_roll_back(table, first, github, tmp_path)


@pytest.mark.full
def test_a_model_of_ones_own_is_compared_with_another_librarys_and_released(
    kit: Project, github: FakeGitHub, tmp_path: Path
) -> None:
    own = ExampleRepository(tmp_path, "own-model", kit, github)
    first = own.push().expect("success", "model / measure", "model / judge")
    assert {path.name for path in first.artifact("bundle").iterdir()} >= {"manifest.json", "model.onnx"}
    change = own.open_pull_request(**{"params.yaml": lambda text: text.replace("lightgbm", "scikit-learn", 1)})
    change.expect("success", "model / measure", "model / judge")
    assert champion_of(change)["status"] == "pass"
    assert gate_of(change)["model"] != gate_of(first)["model"]
    release_and_roll_back(own, first, github, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("example", ["predictions", "table", "own-model"])
def test_what_its_readme_says_to_run_runs(example: str, tmp_path: Path) -> None:
    """Its last block, in a folder of its own, with the environment that is here."""
    folder = tmp_path / example
    shutil.copytree(
        ROOT / "examples" / example, folder, ignore=shutil.ignore_patterns("data", "models", "reports", "cache", "tmp")
    )
    git(folder, "init", "--quiet")
    lines = re.findall(r"^```sh\n(.*?)^```", (folder / "README.md").read_text(), re.DOTALL | re.MULTILINE)[-1]
    script = "\n".join(line for line in lines.splitlines() if not line.startswith("pip install"))
    ran = subprocess.run(["bash", "-ec", script], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "gate: pass" in ran.stdout


def release_and_roll_back(example: ExampleRepository, stored: Run, github: FakeGitHub, folder: Path) -> None:
    """The model that main's run stored, in a real registry."""
    github.state["reviewers"] = {"production": ["octocat"]}
    with registry(folder / "registry") as local:
        image = f"{local.address}/{example.project.name}"
        released = example.release("model-v1.0.0", image).expect("success")
        assert set(released.jobs) == {*RELEASE, "publish / publish"}, released.jobs
        assert "A required reviewer" in released.summaries["production / production"]
        tags = local.tags(example.project.name)
        assert set(tags) == {"v1.0.0", "v1.0", "stable"}
        [before] = [one["body"] for one in github.state["releases"]]
        back = example.roll_back("model-v1.0.0", image).expect("success")
        assert "attested by OWNER/lockgate/.github/workflows/attest.yml" in back.text
        assert local.tags(example.project.name) == tags
        [after] = [one["body"] for one in github.state["releases"]]
        assert (after != before, after.count("In production since")) == (True, 1)
    digest = verify_bundle(stored.artifact("bundle")).digest
    assert digest in after
    attested = [json.loads(file.read_text()) for file in (example.state / "attestations").iterdir()]
    assert {(one["repository"], one["signer"].partition("@")[0]) for one in attested} == {
        (example.project.name, "OWNER/lockgate/.github/workflows/attest.yml")
    }
