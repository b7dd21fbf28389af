"""Accounts. Actions' own token is nobody's: GitHub refuses to say who it is."""

from __future__ import annotations

from typing import Any

from fake_github.call import Answer, Call, operation, refusal

ACTIONS = "github-actions[bot]"


def user(call: Call, login: str) -> dict[str, Any]:
    """A `simple-user`."""
    found: dict[str, Any] = call.example("simple-user")
    return {**found, "login": login, "type": "Bot" if login.endswith("[bot]") else "User"}


@operation("users/get-authenticated")
def get_authenticated(call: Call) -> Answer:
    """The token's owner."""
    if call.login.endswith("[bot]"):
        return refusal(403, "Resource not accessible by integration")
    return Answer(200, {**call.example("public-user"), "login": call.login})
