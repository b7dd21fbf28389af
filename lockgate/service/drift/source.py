"""Rereading drift.json from a path or a URL, on a thread of its own, so that its being away changes no prediction."""

from __future__ import annotations

import threading
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic

from lockgate.documents.profile_json import Profile
from lockgate.service.drift.drift_json import Nightly, no_nightly, parse_nightly

LARGEST = 8 * 1024 * 1024  # bytes; a drift.json of 200 features has 300 kB
TIMEOUT = 5.0  # seconds, for each step of a download
LONGEST = 15.0  # for all of it


class NightlySource:
    """`latest` is what was last read whole and valid; what fails later leaves it there and says so."""

    def __init__(self, location: str | None, seconds: float, profile: Profile, digest: str) -> None:
        self._location, self._seconds, self._profile, self._digest = location, seconds, profile, digest
        self._stop = threading.Event()
        if location is None:
            self.latest: Nightly = no_nightly(profile, "no drift source was named (--drift)", float("nan"))
        else:
            self.latest = no_nightly(profile, "the drift source was not read yet", 0.0)

    def start(self) -> None:
        """Read now and then every so many seconds, until `stop`."""
        if self._location is not None:
            threading.Thread(target=self._keep_reading, name="nightly", daemon=True).start()

    def stop(self) -> None:
        """Do not read again."""
        self._stop.set()

    def read(self) -> None:
        """Read once."""
        try:
            content, modified = _fetch(str(self._location))
            self.latest = parse_nightly(content, modified, self._profile, self._digest)
        except Exception as error:  # whatever a server at the other end comes up with
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.latest = replace(self.latest, problem=f"the drift source cannot be read: {reason}"[:300], up=0.0)

    def _keep_reading(self) -> None:
        while not self._stop.is_set():
            self.read()
            self._stop.wait(self._seconds)


def _fetch(location: str) -> tuple[bytes, float]:
    """The content and when it was last changed, in seconds since 1970; OSError or ValueError."""
    if not location.startswith(("http://", "https://")):
        path = Path(location)
        with path.open("rb") as stream:
            return _bounded(stream.read(LARGEST + 1)), path.stat().st_mtime
    from urllib.request import Request, urlopen

    deadline = monotonic() + LONGEST
    content = b""
    with urlopen(Request(location), timeout=TIMEOUT) as answer:  # noqa: S310  # http(s), as checked above
        while part := answer.read1(65_536):
            content = _bounded(content + part)
            if monotonic() > deadline:
                raise ValueError(f"it did not arrive within {LONGEST:g} s")
        modified = answer.headers.get("Last-Modified")
    return content, parsedate_to_datetime(modified).timestamp() if modified else float("nan")


def _bounded(content: bytes) -> bytes:
    if len(content) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 1024 // 1024} MB")
    return content
