"""Workflow runs and artifacts.

State: runs = [{id, head_sha, head_branch, head_repository, event, conclusion, status, name, path, attempt}],
artifacts = [{id, run, name, content (base64 of the ZIP), expired, size}].
"""

from __future__ import annotations

import base64
from typing import Any

from fake_github.call import NOT_FOUND, Answer, Call, operation, refusal


def _run(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = call.example("workflow-run")
    origin = entry.get("head_repository", call.state["repository"])
    owner, _, name = origin.partition("/")
    repository = found["head_repository"]
    return {
        **found,
        "id": entry["id"],
        "name": entry.get("name", "pr"),
        "path": entry.get("path", ".github/workflows/pr.yml"),
        "event": entry.get("event", "pull_request"),
        "status": entry.get("status", "completed"),
        "conclusion": entry.get("conclusion", "success"),
        "head_sha": entry["head_sha"],
        "head_branch": entry.get("head_branch", "change"),
        "run_attempt": entry.get("attempt", 1),
        "pull_requests": [],
        "url": (url := call.repository_url(f"/actions/runs/{entry['id']}")),
        "artifacts_url": f"{url}/artifacts",
        "jobs_url": f"{url}/jobs",
        "created_at": entry.get("created_at", "2026-01-01T00:00:00Z"),
        "html_url": f"https://github.com/{call.state['repository']}/actions/runs/{entry['id']}",
        "head_repository": {
            **repository,
            "name": name,
            "full_name": origin,
            "owner": {**repository["owner"], "login": owner},
        },
    }


@operation("actions/list-workflow-runs-for-repo")
def list_runs(call: Call) -> Answer:
    """Newest first."""
    return _runs(call, call.entries("runs"))


@operation("actions/list-workflow-runs")
def list_workflow_runs(call: Call) -> Answer:
    """Newest first, of one workflow, by its file's name."""
    wanted = call.path["workflow_id"]
    runs = [run for run in call.entries("runs") if run.get("path", "pr.yml").endswith(f"/{wanted}")]
    return _runs(call, runs)


def _runs(call: Call, runs: list[dict[str, Any]]) -> Answer:
    found = [_run(call, entry) for entry in reversed(runs)]
    for key, name in (("branch", "head_branch"), ("event", "event"), ("head_sha", "head_sha")):
        if key in call.query:
            found = [run for run in found if run[name] == call.query[key]]
    if "status" in call.query:
        found = [run for run in found if call.query["status"] in {run["status"], run["conclusion"]}]
    return call.page(found, lambda page: {"total_count": len(found), "workflow_runs": page})


@operation("actions/get-workflow-run")
def get_run(call: Call) -> Answer:
    """One run."""
    entry = call.find("runs", id=int(call.path["run_id"]))
    return Answer(200, _run(call, entry)) if entry else NOT_FOUND


def _artifact(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    url = call.repository_url(f"/actions/artifacts/{entry['id']}")
    run = call.find("runs", id=entry["run"]) or {}
    ours = call.state["repository"]
    return {
        **call.example("artifact"),
        "id": entry["id"],
        "name": entry["name"],
        "size_in_bytes": entry.get("size", len(base64.b64decode(entry.get("content", "")))),
        "expired": entry.get("expired", False),
        "created_at": entry.get("created_at", "2026-01-01T00:00:00Z"),
        "url": url,
        "archive_download_url": f"{url}/zip",
        "workflow_run": {
            "id": entry["run"],
            "repository_id": 1,
            "head_repository_id": 1 if run.get("head_repository", ours) == ours else 2,
            "head_branch": run.get("head_branch", "main"),
            "head_sha": run.get("head_sha", "0" * 40),
        },
    }


def _artifacts(call: Call, found: list[dict[str, Any]]) -> Answer:
    """Newest first, by name."""
    if "name" in call.query:
        found = [entry for entry in found if entry["name"] == call.query["name"]]
    listed = [_artifact(call, entry) for entry in reversed(found)]
    return call.page(listed, lambda page: {"total_count": len(listed), "artifacts": page})


@operation("actions/list-workflow-run-artifacts")
def list_run_artifacts(call: Call) -> Answer:
    """Those of one run."""
    return _artifacts(call, [a for a in call.entries("artifacts") if a["run"] == int(call.path["run_id"])])


@operation("actions/list-artifacts-for-repo")
def list_artifacts(call: Call) -> Answer:
    """Those of all runs."""
    return _artifacts(call, call.entries("artifacts"))


@operation("actions/download-artifact")
def download(call: Call) -> Answer:
    """A redirect to an address that needs no token, as on GitHub."""
    entry = call.find("artifacts", id=int(call.path["artifact_id"]))
    if entry is None:
        return NOT_FOUND
    if entry.get("expired"):
        return refusal(410, "Artifact has expired")
    return Answer(302, None, {"Location": f"{call.url}/_fake/artifacts/{entry['id']}"})
