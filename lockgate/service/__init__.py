"""A gated bundle behind HTTP, as `lockgate serve` runs it and as an application for any ASGI server.

`api/` is what a request may hold and what is answered, `scoring/` makes a row's probability and its reasons, `http/` is the
server with its limits and its end, `metrics/` what Prometheus reads, `drift/` what /drift shows. A `worker` is one process
with all of these; `bundle` is what it serves, `decision_log` keeps what it decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lockgate.service.application import create_app as create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> object:
    """`create_app` when it is first asked for: a health check imports this package too, and must not load FastAPI."""
    if name != "create_app":
        raise AttributeError(f"module 'lockgate.service' has no attribute '{name}'")
    from lockgate.service.application import create_app

    return create_app
