"""Workflow dispatches and commit statuses. State: dispatches = [{workflow, ref, inputs}], statuses = [{sha, ...}]."""

from __future__ import annotations

from datetime import UTC, datetime

from fake_github.areas.users import user
from fake_github.call import Answer, Call, operation, refusal


@operation("actions/create-workflow-dispatch")
def dispatch(call: Call) -> Answer:
    """Starts a run of a workflow of the state's `dispatchable` (all where there is no such list)."""
    workflow = call.path["workflow_id"]
    if workflow not in call.state.get("dispatchable", [workflow]):
        return refusal(422, "Workflow does not have 'workflow_dispatch' trigger")
    call.add("dispatches", {"workflow": workflow, "ref": call.body["ref"], "inputs": call.body.get("inputs", {})})
    head = {"head_branch": call.body["ref"], "head_sha": "0" * 40}
    head["created_at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    call.add(
        "runs", {"path": f".github/workflows/{workflow}", "event": "workflow_dispatch", "status": "queued", **head}
    )
    return Answer(204)


@operation("repos/create-commit-status")
def create_status(call: Call) -> Answer:
    """Adds a status; of one context the newest counts."""
    entry = call.add("statuses", {"sha": call.path["sha"], **call.body})
    example = call.description.example("status")
    return Answer(201, {**example, **call.body, "id": entry["id"], "creator": user(call, call.login)})
