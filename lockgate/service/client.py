"""A client of the service, for checks of a running one: JSON over HTTP with the standard library alone."""

from __future__ import annotations

import http.client
import json
import time
from urllib.parse import urlsplit

from lockgate.config.credentials import safe_url
from lockgate.config.errors import InputError
from lockgate.documents.document import JsonValue


class ServiceClient:
    """One kept-open connection to the service at `url` (http or https, a path before the routes allowed)."""

    def __init__(self, url: str, timeout: float, token: str | None = None) -> None:
        """Raises InputError where `url` is not an http(s) one.

        `timeout` is in seconds, for each wait; `token` goes with every request.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InputError(f"{safe_url(url)} is not a URL; give one such as http://127.0.0.1:8000") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{safe_url(url)} is not an http or https URL; give one such as http://127.0.0.1:8000")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.url = safe_url(url).rstrip("/")
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._prefix = parts.path.rstrip("/")
        self._connection = kind(parts.hostname, port, timeout=timeout)

    def ask(self, route: str, body: JsonValue = None) -> tuple[int, dict[str, JsonValue]]:
        """Status and JSON object of a GET, or of a POST where there is a body.

        Raises InputError where nothing answers, and where the answer is not a JSON object.
        """
        try:
            status, content = self._ask(route, body)
        except (OSError, http.client.HTTPException) as error:
            raise InputError(f"{self.url}{route} does not answer ({error}); is the service running there?") from error
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise InputError(f"{self.url}{route} answered {status} and no JSON object; is it Lockgate's service?")
        return status, answer

    def wait_until_ready(self, seconds: float) -> None:
        """Return once `/ready` answers 200; raises InputError when it has not after `seconds`."""
        end = time.monotonic() + seconds
        while True:
            try:
                status, _ = self._ask("/ready", None)
                seen = f"answers {status}"
            except (OSError, http.client.HTTPException) as error:
                status, seen = 0, f"does not answer ({error})"
            if status == http.HTTPStatus.OK:
                return
            if time.monotonic() > end:
                raise InputError(f"{self.url}/ready {seen} after {seconds:g} s; see what the service printed")
            time.sleep(0.05)

    def _ask(self, route: str, body: JsonValue) -> tuple[int, bytes]:
        encoded = None if body is None else json.dumps(body).encode()
        headers = self._headers | ({"content-type": "application/json"} if encoded else {})
        try:
            self._connection.request("GET" if encoded is None else "POST", self._prefix + route, encoded, headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
