"""The last nightly drift.json: read again and again from a path or a URL, on a thread of its own.

That it is away, or wrong, changes no prediction.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic

import msgspec

from lockgate.config.credentials import safe_url, without_credentials
from lockgate.config.files import open_file
from lockgate.documents.drift_json import DriftResult
from lockgate.service.log import log_event

MAX_BYTES = 8 * 1024 * 1024  # a drift.json of 200 features has 300 kB
TIMEOUT = 5.0  # seconds, for each step of a download
MAX_SECONDS = 15.0  # for all of it
NAN = float("nan")


@dataclass(frozen=True)
class Nightly:
    """What was last read whole and valid."""

    result: DriftResult | None
    problem: str | None  # why there is none, or why it is old
    up: float  # 1 or 0; NaN where no source was named
    time: float = NAN  # seconds since 1970

    def matches(self, digest: str) -> float:
        """1 where it was about this model, 0 where it was about another; NaN where there is none."""
        return NAN if self.result is None else float(self.result.model == digest)


def parse_nightly(content: bytes, modified: float, where: str) -> Nightly:
    """The drift.json in `content`, whose time is its own, else `modified`; InputError or ValueError saying what is wrong."""
    result = DriftResult.read(content, where)
    msgspec.json.encode(result)  # text that is no Unicode could be read, and not be shown
    return Nightly(
        result=result,
        problem=None,
        up=1.0,
        time=modified if result.measured_at is None else result.measured_at.timestamp(),
    )


class NightlySource:
    """`latest` is what was last read whole and valid; what fails later leaves it there and says so."""

    def __init__(self, location: str | None, seconds: float) -> None:
        self._location, self._seconds = location, seconds
        self._stop = threading.Event()
        self._failing = False
        if location is None:
            self.latest: Nightly = Nightly(None, "no drift source was named (--drift)", NAN)
        else:
            self.latest = Nightly(None, "the drift source was not read yet", 0.0)

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
            self.latest = parse_nightly(content, modified, "it")
        except Exception as error:  # whatever a server at the other end comes up with
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            reason = without_credentials(reason, str(self._location))
            self.latest = replace(self.latest, problem=f"the drift source cannot be read: {reason}"[:300], up=0.0)
            if not self._failing:
                log_event(
                    "drift-source-failing", level="warning", source=safe_url(str(self._location)), why=reason[:300]
                )
            self._failing = True
        else:
            if self._failing:
                log_event("drift-source-recovered", source=safe_url(str(self._location)))
            self._failing = False

    def _keep_reading(self) -> None:
        while not self._stop.is_set():
            self.read()
            self._stop.wait(self._seconds)


def _fetch(location: str) -> tuple[bytes, float]:
    """The content and when it was last changed, in seconds since 1970; OSError or ValueError."""
    if not location.startswith(("http://", "https://")):
        with open_file(Path(location)) as stream:
            return _bounded(stream.read(MAX_BYTES + 1)), os.fstat(stream.fileno()).st_mtime
    from urllib.request import Request, urlopen

    deadline = monotonic() + MAX_SECONDS
    content = b""
    with urlopen(Request(location), timeout=TIMEOUT) as response:  # noqa: S310  # http(s), as checked above
        while part := response.read1(65_536):
            content = _bounded(content + part)
            if monotonic() > deadline:
                raise ValueError(f"it did not arrive within {MAX_SECONDS:g} s")
        modified = response.headers.get("Last-Modified")
    return content, parsedate_to_datetime(modified).timestamp() if modified else float("nan")


def _bounded(content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 1024 // 1024} MB")
    return content
