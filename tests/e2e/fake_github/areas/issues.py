"""Issues and their labels. State: labels = [{id, name}],
issues = [{id, number, title, body, state, state_reason, closed_at, labels, login, author_association}].

Issues and pull requests share one sequence of numbers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fake_github.areas.users import user
from fake_github.call import NOT_FOUND, Answer, Call, operation, refusal


def exists(call: Call, number: int) -> bool:
    """Whether there is an issue or a pull request of this number."""
    return bool(call.find("issues", number=number) or call.find("pulls", number=number))


def next_number(call: Call) -> int:
    """The next number of an issue or a pull request."""
    return 1 + max((entry["number"] for kind in ("issues", "pulls") for entry in call.entries(kind)), default=0)


def label(call: Call, name: str) -> dict[str, Any]:
    """A label as it stands in the repository, or as adding it to an issue makes it."""
    entry = call.find("labels", name=name) or call.add("labels", {"name": name})
    made: dict[str, Any] = {
        **call.example("label"),
        "color": "ededed",
        "description": None,
        **entry,
        "default": False,
        "url": call.repository_url(f"/labels/{name}"),
    }
    return made


def _issue(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    found = call.example("issue")
    closed = entry.get("state", "open") == "closed"
    return {
        **{key: value for key, value in found.items() if key not in {"pull_request", "closed_by"}},
        "milestone": None,
        "id": entry["id"],
        "number": entry["number"],
        "title": entry["title"],
        "body": entry.get("body"),
        "state": entry.get("state", "open"),
        "state_reason": entry.get("state_reason"),
        "closed_at": entry.get("closed_at", "2026-01-02T00:00:00Z") if closed else None,
        "author_association": entry.get("author_association", "NONE"),
        "created_at": entry.get("created_at", "2026-01-01T00:00:00Z"),
        "user": user(call, entry.get("login", "github-actions[bot]")),
        "labels": [label(call, name) for name in entry.get("labels", [])],
        "comments": sum(comment["issue"] == entry["number"] for comment in call.entries("comments")),
        "url": call.repository_url(f"/issues/{entry['number']}"),
        "comments_url": call.repository_url(f"/issues/{entry['number']}/comments"),
        "labels_url": call.repository_url(f"/issues/{entry['number']}/labels{{/name}}"),
        "html_url": f"https://github.com/{call.state['repository']}/issues/{entry['number']}",
    }


@operation("issues/list-for-repo")
def list_for_repo(call: Call) -> Answer:
    """Newest first, by state, labels (all of them) and creator. (GitHub lists pull requests too.)"""
    wanted = call.query.get("state", "open")
    labels = {name for name in call.query.get("labels", "").split(",") if name}
    creator = call.query.get("creator")
    found = [
        _issue(call, entry)
        for entry in reversed(call.entries("issues"))
        if wanted in {"all", entry.get("state", "open")}
        and labels <= set(entry.get("labels", []))
        and (creator is None or entry.get("login") == creator)
    ]
    return call.page(found)


@operation("issues/create")
def create(call: Call) -> Answer:
    """A new open issue."""
    entry = {
        "number": next_number(call),
        "title": str(call.body["title"]),
        "body": call.body.get("body"),
        "labels": [item if isinstance(item, str) else item["name"] for item in call.body.get("labels", [])],
        "state": "open",
        "login": call.login,
    }
    return Answer(201, _issue(call, call.add("issues", entry)))


@operation("issues/get")
def get(call: Call) -> Answer:
    """One issue."""
    entry = call.find("issues", number=int(call.path["issue_number"]))
    return Answer(200, _issue(call, entry)) if entry else NOT_FOUND


@operation("issues/update")
def update(call: Call) -> Answer:
    """Title, body, state and labels."""
    entry = call.find("issues", number=int(call.path["issue_number"]))
    if entry is None:
        return NOT_FOUND
    for key in ("title", "body", "state", "state_reason"):
        if key in call.body:
            entry[key] = call.body[key]
    if call.body.get("state") == "closed":
        entry["closed_at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if "labels" in call.body:
        entry["labels"] = [item if isinstance(item, str) else item["name"] for item in call.body["labels"]]
    return Answer(200, _issue(call, entry))


@operation("issues/list-labels-for-repo")
def list_labels(call: Call) -> Answer:
    """All labels."""
    return call.page([label(call, entry["name"]) for entry in call.entries("labels")])


@operation("issues/get-label")
def get_label(call: Call) -> Answer:
    """One label."""
    return Answer(200, label(call, call.path["name"])) if call.find("labels", name=call.path["name"]) else NOT_FOUND


@operation("issues/create-label")
def create_label(call: Call) -> Answer:
    """A label of a new name."""
    if call.find("labels", name=call.body["name"]):
        error = {"resource": "Label", "code": "already_exists", "field": "name"}
        return refusal(422, "Validation Failed", errors=[error])
    call.add("labels", call.body)
    return Answer(201, label(call, call.body["name"]))


@operation("issues/add-labels")
def add_labels(call: Call) -> Answer:
    """More labels for an issue; unknown ones are made."""
    entry = call.find("issues", number=int(call.path["issue_number"]))
    if entry is None:
        return NOT_FOUND
    given = call.body["labels"] if isinstance(call.body, dict) else call.body
    names = [item if isinstance(item, str) else item["name"] for item in given]
    entry["labels"] = list(dict.fromkeys([*entry.get("labels", []), *names]))
    return Answer(200, [label(call, name) for name in entry["labels"]])
