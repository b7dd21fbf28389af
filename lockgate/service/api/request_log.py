"""What the log says of requests: refusals, sampled by reason; failures; and with --access-log every answer."""

from __future__ import annotations

from lockgate.service.api.common_headers import RequestIdentity
from lockgate.service.api.errors import Refusal
from lockgate.service.log import Field, RefusalSampler, log_event, log_request
from lockgate.service.metrics.layouts import OTHER, ROUTES

MAX_PATH = 200  # characters


class RequestLog:
    """One of these a worker. Only the access log repeats anything of a request: its method and path, not its query or body."""

    def __init__(self, *, access: bool) -> None:
        self._access = access
        self._sampler = RefusalSampler()

    def refused(self, refusal: Refusal, path: str, identity: RequestIdentity) -> None:
        """A request was refused; its first problem is named without its value."""
        problem = refusal.problems[0]
        self._sampler.refused(
            refusal.code,
            path if path in ROUTES else OTHER,
            level="warning" if refusal.status >= 500 else "info",
            status=refusal.status,
            at=".".join(map(str, problem.loc)),
            problem=problem.msg,
            **_ids(identity),
        )

    def failed(self, error: Exception, path: str, identity: RequestIdentity) -> None:
        """A request failed here, by a defect; its client gets a 500."""
        route = path if path in ROUTES else OTHER
        log_event("request-failed", level="error", error=error, route=route, **_ids(identity))

    def answered(
        self,
        method: str,
        path: str,
        client: tuple[str, int] | None,
        status: int,
        seconds: float | None,
        size: int,
        identity: RequestIdentity,
    ) -> None:
        """A request was answered with `size` bytes of body; for the access log alone. Refused unread, it took no `seconds`."""
        if not self._access:
            return
        fields: dict[str, Field] = {
            "method": method,
            "path": path if len(path) <= MAX_PATH else f"{path[:MAX_PATH]}...",
            "status": status,
            "bytes": size,
            "client": client[0] if client else None,
            "request_id": identity.request_id,
        }
        if seconds is not None:
            fields["seconds"] = round(seconds, 6)
        if identity.trace is not None:
            fields.update(_ids(identity))
        log_request(fields)

    def flush(self, *, last: bool = False) -> None:
        """Log how many refusals were left out; from time to time, and at the `last` without waiting."""
        self._sampler.flush(last=last)


def _ids(identity: RequestIdentity) -> dict[str, str]:
    ids = {"request_id": identity.request_id}
    if identity.trace is not None:
        ids |= {"trace_id": identity.trace.trace_id, "span_id": identity.trace.span_id}
    return ids
