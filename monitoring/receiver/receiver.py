"""Alertmanager's webhook: each alert is a line of JSON on stdout, and at /github also a `repository_dispatch`.

Environment: RECEIVER_HOST and RECEIVER_PORT; LOCKGATE_GITHUB_REPOSITORY (OWNER/NAME), LOCKGATE_GITHUB_TOKEN_FILE and
GITHUB_API_URL for dispatches. Alertmanager tries again after a 5xx and never after a 4xx, so it gets 502 where waiting
may help and 400 where somebody has to fix something.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LARGEST = 1024 * 1024  # bytes of a notification; one of a hundred alerts has 100 kB
SECONDS = 10.0
EVENT = "lockgate-alert"
SHOWN = ("alertname", "severity", "job", "instance", "feature", "digest")


class DispatchError(Exception):
    """GitHub did not take a dispatch; `again`: whether the same may work later."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


def alert_lines(notification: dict[str, Any]) -> list[str]:
    """Each alert of a notification as one line of JSON: its state, what it is about, and where its runbook is."""
    lines = []
    for alert in notification["alerts"]:
        labels = {name: alert["labels"][name] for name in SHOWN if name in alert["labels"]}
        line = {"status": alert["status"], "startsAt": alert["startsAt"], **labels, **alert["annotations"]}
        lines.append(json.dumps(line, ensure_ascii=True))
    return lines


def client_payload(notification: dict[str, Any]) -> dict[str, Any]:
    """What a dispatched workflow reads as `github.event.client_payload`; GitHub allows ten properties."""
    alerts = notification["alerts"]
    common = notification["commonLabels"]
    return {
        "status": notification["status"],
        "alertname": common.get("alertname"),
        "severity": common.get("severity"),
        "job": common.get("job"),
        "digest": common.get("digest"),
        "features": sorted({alert["labels"]["feature"] for alert in alerts if "feature" in alert["labels"]}),
        "summaries": [alert["annotations"]["summary"] for alert in alerts],
        "runbook_url": alerts[0]["annotations"]["runbook_url"],
    }


def dispatch(notification: dict[str, Any]) -> None:
    """Send the notification to the repository of the environment; DispatchError where GitHub does not take it."""
    repository = os.environ.get("LOCKGATE_GITHUB_REPOSITORY")
    if not repository:
        raise DispatchError("no repository to dispatch to; set LOCKGATE_GITHUB_REPOSITORY", again=False)
    try:
        token = Path(os.environ.get("LOCKGATE_GITHUB_TOKEN_FILE", "/run/secrets/github_token")).read_text().strip()
    except (OSError, ValueError) as error:
        raise DispatchError(f"the token to dispatch with cannot be read: {error}", again=False) from None
    base = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    request = urllib.request.Request(  # noqa: S310  # the scheme is the operator's
        f"{base}/repos/{repository}/dispatches",
        data=json.dumps({"event_type": EVENT, "client_payload": client_payload(notification)}).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "User-Agent": "lockgate-receiver",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    try:
        urllib.request.urlopen(request, timeout=SECONDS).close()  # noqa: S310  # as above
    except urllib.error.HTTPError as error:
        again = error.code >= 500 or error.code == 429
        raise DispatchError(f"GitHub answered {error.code} for {repository}", again=again) from None
    except (OSError, ValueError) as error:
        raise DispatchError(f"GitHub cannot be reached: {error}", again=True) from None


class Handler(BaseHTTPRequestHandler):
    """GET /health, POST /log and POST /github."""

    timeout = SECONDS
    server_version = "lockgate-receiver"

    def do_GET(self) -> None:
        """200: the receiver is alive."""
        self._answer(200 if self.path == "/health" else 404)

    def do_POST(self) -> None:
        """Take a notification."""
        if self.path not in ("/log", "/github"):
            self._answer(404)
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST:
            self._answer(411 if not length.isdecimal() else 413)
            return
        try:
            notification = json.loads(self.rfile.read(int(length)))
            lines = alert_lines(notification)
            if self.path == "/github":
                dispatch(notification)
                lines = [f"dispatched {EVENT} to {os.environ['LOCKGATE_GITHUB_REPOSITORY']}"]
        except DispatchError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            self._answer(502 if error.again else 400)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            print("error: a notification is not Alertmanager's", file=sys.stderr, flush=True)
            self._answer(400)
        else:
            # One write, its end included: notifications come at the same time, and each line is one alert.
            print("".join(f"{line}\n" for line in lines), end="", flush=True)
            self._answer(200)

    def log_message(self, *_: object) -> None:
        """Log no requests: the log is for alerts."""

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> None:
    """Serve until the process is stopped."""
    address = (os.environ.get("RECEIVER_HOST", "127.0.0.1"), int(os.environ.get("RECEIVER_PORT", "9095")))
    with ThreadingHTTPServer(address, Handler) as server:
        print(f"receiving on {server.server_address[0]!s}:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
