"""Events that start `on: repository_dispatch`. State: repository_dispatches = [{event_type, client_payload}]."""

from __future__ import annotations

from fake_github.call import Answer, Call, operation


@operation("repos/create-dispatch-event")
def create_event(call: Call) -> Answer:
    """Adds an event."""
    call.add("repository_dispatches", dict(call.body))
    return Answer(204)
