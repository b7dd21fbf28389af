"""What no linter asks of the workflows and actions: limits, permissions, tables that are current, checks that need every job."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

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
        ("push", "v1.2.3", ["release.yml"]),
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
        assert self.run(path, results, "pass") != 0
        assert self.run(path, "success success", "pass") == 0

    def test_a_verdict_must_be_a_pass(self, path: Path) -> None:
        if "VERDICT" in load(path)["jobs"]["all-green"]["env"]:
            for verdict in ("block", "inconclusive", "error", ""):
                assert self.run(path, "success", verdict) != 0

    def run(self, path: Path, results: str, verdict: str) -> int:
        script = load(path)["jobs"]["all-green"]["steps"][0]["run"]
        environment = {"RESULTS": results, "VERDICT": verdict, "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            ["bash", "-e", "-c", script], env=environment, capture_output=True, check=False
        ).returncode


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
