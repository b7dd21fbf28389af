"""The container's HEALTHCHECK: exit code 0 where /health answers, else 1; with the standard library alone."""

from __future__ import annotations

import http.client
import os
import sys

SECONDS = 2.0
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # names what the service may listen on, listens to nothing


def main() -> int:
    """Ask /health where LOCKGATE_HOST and LOCKGATE_PORT say that the service listens."""
    host = os.environ.get("LOCKGATE_HOST", "127.0.0.1")
    port = os.environ.get("LOCKGATE_PORT", "8000")
    connection = http.client.HTTPConnection(LOOPBACK.get(host, host), int(port), timeout=SECONDS)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"/health does not answer: {error}", file=sys.stderr)  # noqa: T201  # read by `docker inspect`
        return 1
    finally:
        connection.close()
    return 0 if status == http.HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main())
