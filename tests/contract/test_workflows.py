"""What no linter asks of the workflows and actions: limits, permissions, tables that are current, checks that need every job."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import pytest
from e2e.act_command import started_by
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
ACTIONS = sorted(path.parent for path in ROOT.glob(".github/actions/*/action.yml"))
KIT = ("ci.yml", "release-kit.yml")  # the kit's own: a project that began as a copy of the kit has no use for them
REUSABLE = [path for path in WORKFLOWS if "workflow_call:" in path.read_text()]


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(path)
    return document


def name_of(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
class TestWorkflows:
    def test_nothing_is_granted_that_a_job_does_not_ask_for(self, path: Path) -> None:
        assert load(path)["permissions"] == {}

    def test_every_job_ends_some_time(self, path: Path) -> None:
        for name, job in load(path)["jobs"].items():
            assert "uses" in job or job.get("timeout-minutes"), name

    def test_every_grant_has_its_reason(self, path: Path) -> None:
        for line in path.read_text().splitlines():
            if re.match(r"\s+(?:[a-z-]+): (?:read|write)\b", line):
                assert re.search(r"# \w", line), line

    def test_concurrency_is_the_events_owners(self, path: Path) -> None:
        if path in REUSABLE:
            assert "concurrency" not in load(path)

    def test_an_artifact_that_may_be_none_is_not_asked_for_then(self, path: Path) -> None:
        """To actions/download-artifact no id means every artifact of the run."""
        document = load(path)
        inputs = document["on"].get("workflow_call", {}).get("inputs", {}) if isinstance(document["on"], dict) else {}
        for job in document["jobs"].values():
            for step in job.get("steps", []):
                named = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", step.get("with", {}).get("artifact-ids", ""))
                if named and not inputs[named[1]].get("required"):
                    assert f"inputs.{named[1]} != ''" in step["if"], step

    def test_no_expression_becomes_shell(self, path: Path) -> None:
        for job in load(path)["jobs"].values():
            for step in job.get("steps", []):
                assert "${{" not in step.get("run", ""), step["run"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_what_is_the_kits_own_runs_nowhere_else(path: Path) -> None:
    for name, job in load(path)["jobs"].items():
        assert ("github.event.repository.is_template" in job.get("if", "")) == (path.name in KIT), name


@pytest.mark.parametrize(
    ("event", "tag", "files"),
    [
        ("pull_request", None, ["pr.yml"]),
        ("push", None, ["pr.yml"]),
        ("push", "model-v1.2.3", ["release.yml"]),
        ("push", "v1.2.3", []),
        ("schedule", None, ["nightly-drift.yml"]),
    ],
)
def test_an_event_starts_the_projects_workflows_alone(event: str, tag: str | None, files: list[str]) -> None:
    """What `scripts/act EVENT` runs."""
    assert started_by(event, tag, "main") == files


@pytest.mark.parametrize("path", [path for path in WORKFLOWS if "all-green" in path.read_text()], ids=name_of)
class TestAllGreen:
    def test_needs_every_other_job_and_runs_whatever_happened(self, path: Path) -> None:
        jobs = load(path)["jobs"]
        gate = jobs["all-green"]
        assert set(gate["needs"]) == jobs.keys() - {"all-green"}
        assert gate["if"] == ("always() && github.event.repository.is_template" if path.name in KIT else "always()")

    @pytest.mark.parametrize("results", ["failure", "skipped", "cancelled", "success skipped", "success failure"])
    def test_anything_but_success_fails(self, path: Path, results: str) -> None:
        assert self.run(path, results) != 0
        assert self.run(path, "success success") == 0

    def run(self, path: Path, results: str) -> int:
        return run_script(load(path)["jobs"]["all-green"]["steps"][0]["run"], RESULTS=results)


class TestJudge:
    """The check `model / judge`, which branch protection requires."""

    @property
    def job(self) -> dict[str, Any]:
        found: dict[str, Any] = load(ROOT / ".github/workflows/model.yml")["jobs"]["judge"]
        return found

    def test_it_is_called_so_by_the_pull_requests_workflow(self) -> None:
        (called,) = load(ROOT / ".github/workflows/pr.yml")["jobs"].values()
        assert (called["name"], called["uses"], self.job["name"]) == ("model", "$/.github/workflows/model.yml", "judge")

    def test_it_runs_whatever_became_of_the_jobs_before(self) -> None:
        """A required check that is skipped would count as passed."""
        assert self.job["if"] == "always()"
        assert self.job["needs"] == ["measure", "champion"]
        judging = next(step for step in self.job["steps"] if step.get("id") == "gate")
        assert "if" not in judging
        assert judging["with"]["measured-result"] == "${{ needs.measure.result }}"

    @pytest.mark.parametrize("verdict", ["block", "inconclusive", "error", ""])
    def test_it_fails_unless_the_verdict_is_pass(self, verdict: str) -> None:
        last = self.job["steps"][-1]
        assert last["env"] == {"VERDICT": "${{ steps.gate.outputs.verdict }}"}
        assert "if" not in last
        assert run_script(last["run"], VERDICT=verdict) != 0
        assert run_script(last["run"], VERDICT="pass") == 0

    def test_what_measure_says_is_no_output(self) -> None:
        outputs = load(ROOT / ".github/workflows/model.yml")["on"]["workflow_call"]["outputs"]
        assert all(output["value"].startswith("${{ jobs.judge.outputs.") for output in outputs.values())


class TestEngine:
    """The project's stages work where the caller says, and nothing else does: `judge` of none of them hears of a scheduler."""

    VARIABLES: ClassVar = {"LOCKGATE_ENGINE": "${{ inputs.engine }}", "LOCKGATE_SCHEDULER": "${{ inputs.scheduler }}"}
    STAGES = ("model.yml", "drift.yml", "retrain-model.yml")

    @pytest.mark.parametrize("name", STAGES)
    def test_only_the_job_with_the_projects_code_has_it(self, name: str) -> None:
        document = load(ROOT / ".github/workflows" / name)
        for job, content in document["jobs"].items():
            assert ("inputs.engine" in str(content)) == ("inputs.scheduler" in str(content)) == (job == "measure"), job
            assert content["runs-on"] == ("${{ inputs.runner }}" if job == "measure" else "ubuntu-24.04"), job
        inputs = document["on"]["workflow_call"]["inputs"]
        assert [inputs[one]["default"] for one in ("runner", "engine", "scheduler")] == ["ubuntu-latest", "local", ""]

    @pytest.mark.parametrize("name", STAGES)
    @pytest.mark.parametrize(("engine", "environment"), [("local", "measure"), ("dask", "dask")])
    def test_dask_is_installed_where_it_is_asked_for_and_nowhere_else(
        self, name: str, engine: str, environment: str
    ) -> None:
        steps = load(ROOT / ".github/workflows" / name)["jobs"]["measure"]["steps"]
        (setup,) = (step for step in steps if step.get("uses") == "$/.github/actions/setup-dvc")
        condition, chosen, otherwise = re.fullmatch(
            r"\$\{\{ (inputs\.engine == 'dask') && '(\w+)' \|\| .*'(\w+)' \}\}", setup["with"]["environment"]
        ).groups()  # type: ignore[union-attr]
        assert (chosen if engine in condition else otherwise) == environment
        assert ("\ndistributed==" in (ROOT / f"requirements/{environment}.txt").read_text()) == (engine == "dask")

    def test_the_steps_that_run_stages_have_it(self) -> None:
        (stages,) = (step for step in load(ROOT / ".github/actions/train/action.yml")["runs"]["steps"] if "run" in step)
        assert self.VARIABLES.items() <= stages["env"].items()
        for name in self.STAGES:
            steps = load(ROOT / ".github/workflows" / name)["jobs"]["measure"]["steps"]
            for step in steps:
                if step.get("uses") == "$/.github/actions/train":
                    assert [step["with"][one] for one in ("engine", "scheduler")] == list(self.VARIABLES.values())
                else:
                    runs_a_stage = 'lockgate" ci batch' in step.get("run", "")
                    assert (self.VARIABLES.items() <= step.get("env", {}).items()) == runs_a_stage


def run_script(script: str, **environment: str) -> int:
    command = ["bash", "-e", "-c", script]
    variables = {**environment, "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=variables, capture_output=True, check=False).returncode


@pytest.mark.parametrize("folder", ACTIONS, ids=name_of)
class TestActions:
    def test_inputs_and_outputs_are_kebab_case_and_described(self, folder: Path) -> None:
        action = load(folder / "action.yml")
        for part in ("inputs", "outputs"):
            for name, entry in action.get(part, {}).items():
                assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
                assert entry["description"]

    def test_every_input_is_used(self, folder: Path) -> None:
        text = (folder / "action.yml").read_text()
        for name in load(folder / "action.yml").get("inputs", {}):
            assert re.search(rf"\binputs\.{name}\b", text), name

    def test_the_shell_gets_inputs_as_variables_only(self, folder: Path) -> None:
        for step in load(folder / "action.yml")["runs"]["steps"]:
            assert "${{" not in step.get("run", "")

    def test_its_table_is_in_its_own_document_and_the_overview(self, folder: Path) -> None:
        for document in (folder / "README.md", ROOT / ".github/actions/README.md"):
            assert f"<!-- table: {folder.name} -->" in document.read_text(), document


@pytest.mark.parametrize("path", REUSABLE, ids=name_of)
def test_a_reusable_workflow_has_its_table_in_the_overview(path: Path) -> None:
    assert f"<!-- table: {path.name} -->" in (ROOT / ".github/actions/README.md").read_text()


def test_the_tables_are_current() -> None:
    """Stale: run scripts/docs."""
    script = ROOT / "scripts/documents/tables.py"
    ran = subprocess.run(["python", script, "--check"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_checks_of_the_workflows_find_nothing_that_is_not_justified() -> None:
    text = "\n".join(path.read_text() for path in [*WORKFLOWS, *(folder / "action.yml" for folder in ACTIONS)])
    ignored = re.findall(r"# zizmor: ignore\[([\w-]+)\](.*)", text)
    assert len(ignored) <= 1
    assert all(reason.strip() for _, reason in ignored), "an ignore says why"
