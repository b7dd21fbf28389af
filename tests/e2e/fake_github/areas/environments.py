"""Environments. State: reviewers, a dictionary from an environment to the logins that have to approve its jobs."""

from __future__ import annotations

from fake_github.call import NOT_FOUND, Answer, Call, operation


@operation("repos/get-environment")
def get_environment(call: Call) -> Answer:
    """With its protection rules; 404 where there is none, as for a token that may not ask."""
    name = call.path["environment_name"]
    if name not in call.state.get("reviewers", {}):
        return NOT_FOUND
    example = call.example("environment")
    rules = [rule for rule in example["protection_rules"] if rule["type"] == "required_reviewers"]
    for rule in rules:
        rule["reviewers"] = [
            {"type": "User", "reviewer": {**rule["reviewers"][0]["reviewer"], "login": login}}
            for login in call.state["reviewers"][name]
        ]
    return Answer(200, {**example, "name": name, "protection_rules": rules})
