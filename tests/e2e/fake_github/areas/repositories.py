"""The repository itself. State: may_push, whether the token may write (true where it is not there)."""

from __future__ import annotations

from fake_github.call import Answer, Call, operation


@operation("repos/get")
def get_repository(call: Call) -> Answer:
    """With what the token's owner may do there."""
    found = call.example("full-repository-default-response") | {
        "full_name": call.state["repository"],
        "language": "Python",
    }
    for name in ("parent", "source", "template_repository"):
        found.pop(name, None)  # it is nobody's fork
    may = {"admin": False, "push": call.state.get("may_push", True), "pull": True}
    return Answer(200, {**found, "permissions": may})
