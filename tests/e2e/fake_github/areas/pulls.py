"""Pull requests. State: pulls = [{id, number, title, body, state, draft, login, files, head, base}].

`head` is {ref, sha, repo} and `base` {ref, sha}; `head.repo` is the fork's OWNER/NAME, or null where the fork was deleted.
"""

from __future__ import annotations

from typing import Any

from fake_github.areas.issues import next_number
from fake_github.areas.users import user
from fake_github.call import NOT_FOUND, Answer, Call, operation


def _repository(call: Call, example: dict[str, Any], full_name: str) -> dict[str, Any]:
    owner, _, name = full_name.partition("/")
    return {**example, "name": name, "full_name": full_name, "owner": user(call, owner), "fork": False}


def _pull(call: Call, entry: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    ours = call.state["repository"]
    head = entry["head"]
    origin = head.get("repo", ours)
    owner = (origin or "ghost/gone").partition("/")[0]
    repository = example["base"]["repo"]
    return {
        **example,
        "id": entry["id"],
        "number": entry["number"],
        "title": entry.get("title", "a change"),
        "body": entry.get("body"),
        "state": entry.get("state", "open"),
        "draft": entry.get("draft", False),
        "user": user(call, entry.get("login", owner)),
        "labels": [],
        "requested_teams": [],
        "url": call.repository_url(f"/pulls/{entry['number']}"),
        "issue_url": call.repository_url(f"/issues/{entry['number']}"),
        "comments_url": call.repository_url(f"/issues/{entry['number']}/comments"),
        "html_url": f"https://github.com/{ours}/pull/{entry['number']}",
        "head": {
            "label": f"{owner}:{head['ref']}",
            "ref": head["ref"],
            "sha": head["sha"],
            "user": user(call, owner),
            "repo": _repository(call, repository, origin) if origin else None,
        },
        "base": {
            "label": f"{ours.partition('/')[0]}:{entry['base']['ref']}",
            "ref": entry["base"]["ref"],
            "sha": entry["base"].get("sha", "b" * 40),
            "user": user(call, ours.partition("/")[0]),
            "repo": _repository(call, repository, ours),
        },
    }


def _simple(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    return _pull(call, entry, call.example("pull-request-simple-items")[0])


@operation("pulls/list")
def list_pulls(call: Call) -> Answer:
    """Newest first, by state, base and `head=OWNER:BRANCH`."""
    wanted, head, base = call.query.get("state", "open"), call.query.get("head"), call.query.get("base")
    found = []
    for entry in reversed(call.entries("pulls")):
        pull = _simple(call, entry)
        if (
            wanted in {"all", pull["state"]}
            and (head is None or pull["head"]["label"] == head)
            and (base is None or pull["base"]["ref"] == base)
        ):
            found.append(pull)
    return call.page(found)


@operation("pulls/get")
def get(call: Call) -> Answer:
    """One pull request."""
    entry = call.find("pulls", number=int(call.path["pull_number"]))
    return Answer(200, _pull(call, entry, call.example("pull-request"))) if entry else NOT_FOUND


@operation("pulls/create")
def create(call: Call) -> Answer:
    """From a branch of this repository; its commit is looked up in `branches`, where a test keeps them."""
    branch = call.body["head"].rpartition(":")[2]
    known = call.find("branches", name=branch) or {}
    entry = {
        "number": next_number(call),
        "title": call.body.get("title", ""),
        "body": call.body.get("body"),
        "draft": call.body.get("draft", False),
        "login": call.login,
        "head": {"ref": branch, "sha": known.get("sha", "c" * 40)},
        "base": {"ref": call.body["base"]},
    }
    return Answer(201, _pull(call, call.add("pulls", entry), call.example("pull-request")))


@operation("pulls/update")
def update(call: Call) -> Answer:
    """Title, body and state."""
    entry = call.find("pulls", number=int(call.path["pull_number"]))
    if entry is None:
        return NOT_FOUND
    for key in ("title", "body", "state"):
        if key in call.body:
            entry[key] = call.body[key]
    return Answer(200, _pull(call, entry, call.example("pull-request")))


@operation("repos/list-pull-requests-associated-with-commit")
def list_for_commit(call: Call) -> Answer:
    """Those whose head or history has the commit. Empty for forks, whose commits GitHub does not look through."""
    sha, ours = call.path["commit_sha"], call.state["repository"]
    found = [
        _simple(call, entry)
        for entry in call.entries("pulls")
        if entry["head"].get("repo", ours) == ours and sha in {entry["head"]["sha"], *entry.get("commits", [])}
    ]
    return call.page(found)


@operation("pulls/list-files")
def list_files(call: Call) -> Answer:
    """The paths in the entry's `files`."""
    entry = call.find("pulls", number=int(call.path["pull_number"]))
    if entry is None:
        return NOT_FOUND
    example = call.example("diff-entry-items")[0]
    return call.page([{**example, "filename": name} for name in sorted(entry.get("files", []))])
