"""Comments on issues and pull requests. State: comments = [{id, issue, login, body}]."""

from __future__ import annotations

from typing import Any

from fake_github.areas.issues import exists
from fake_github.areas.users import user
from fake_github.call import NOT_FOUND, Answer, Call, operation, refusal

LONGEST = 65_536


def _comment(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    return {
        **call.example("issue-comment"),
        "id": entry["id"],
        "body": entry["body"],
        "user": user(call, entry["login"]),
        "url": call.repository_url(f"/issues/comments/{entry['id']}"),
        "html_url": f"https://github.com/{call.state['repository']}/issues/{entry['issue']}#issuecomment-{entry['id']}",
        "issue_url": call.repository_url(f"/issues/{entry['issue']}"),
    }


def _too_long(call: Call) -> Answer | None:
    if len(call.body["body"]) <= LONGEST:
        return None
    error = {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": "Body is too long"}
    return refusal(422, "Validation Failed", errors=[error])


@operation("issues/list-comments")
def list_comments(call: Call) -> Answer:
    """Oldest first."""
    number = int(call.path["issue_number"])
    if not exists(call, number):
        return NOT_FOUND
    return call.page([_comment(call, entry) for entry in call.entries("comments") if entry["issue"] == number])


@operation("issues/create-comment")
def create_comment(call: Call) -> Answer:
    """By the token's owner."""
    number = int(call.path["issue_number"])
    if not exists(call, number):
        return NOT_FOUND
    entry = {"issue": number, "login": call.login, "body": call.body["body"]}
    return _too_long(call) or Answer(201, _comment(call, call.add("comments", entry)))


@operation("issues/get-comment")
def get_comment(call: Call) -> Answer:
    """One comment."""
    entry = call.find("comments", id=int(call.path["comment_id"]))
    return Answer(200, _comment(call, entry)) if entry else NOT_FOUND


@operation("issues/update-comment")
def update_comment(call: Call) -> Answer:
    """Whoever may write may edit anybody's comment, as on GitHub: nothing but our own care keeps us from it."""
    entry = call.find("comments", id=int(call.path["comment_id"]))
    if entry is None:
        return NOT_FOUND
    problem = _too_long(call)
    if problem:
        return problem
    entry["body"] = call.body["body"]
    return Answer(200, _comment(call, entry))


@operation("issues/delete-comment")
def delete_comment(call: Call) -> Answer:
    """Gone for good."""
    entry = call.find("comments", id=int(call.path["comment_id"]))
    if entry is None:
        return NOT_FOUND
    call.entries("comments").remove(entry)
    return Answer(204)
