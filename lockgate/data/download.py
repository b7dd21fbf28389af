"""Fetching a file over HTTP: bounded waiting, and no half file taken for a whole one."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path

from lockgate.config.credentials import safe_url, without_credentials
from lockgate.config.errors import InputError
from lockgate.config.limits import DOWNLOAD_BYTES, DOWNLOAD_SECONDS

TIMEOUT_SECONDS = 15.0
TRIES = 2
BLOCK_BYTES = 1 << 20


def is_url(location: str) -> bool:
    """Whether `location` is a URL rather than a path."""
    return "://" in location


def download(url: str, path: Path, key: str) -> None:
    """Write what `url` answers to `path`.

    Gives up after two tries of at most 15 s without a byte each, and beyond the limits of time and size. Raises InputError
    naming `key` and how to fix it.
    """
    if not url.startswith(("http://", "https://")):
        scheme = url.split("://", 1)[0]
        raise InputError(
            f"{key}: {safe_url(url)} is not http(s); fetch {scheme}:// data with `dvc import-url` and name the file here"
        )
    problem = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(1)
        try:
            _fetch(url, path, f"{key}: {safe_url(url)}")
            return
        except urllib.error.HTTPError as error:
            problem = f"the server answered {error.code} {error.reason}"
            if error.code < 500:
                break
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = str(getattr(error, "reason", None) or error) or type(error).__name__
    raise InputError(
        f"{key}: {safe_url(url)} cannot be fetched: {without_credentials(problem, url)}; check the address and the network"
    )


def _fetch(url: str, path: Path, where: str) -> None:
    started = time.monotonic()
    request = urllib.request.Request(url, headers={"User-Agent": "lockgate"})  # noqa: S310 the scheme is checked
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer, path.open("wb") as stream:  # noqa: S310
        expected = answer.headers.get("Content-Length")
        DOWNLOAD_BYTES.require(int(expected or 0), where)
        received = 0
        # Whatever has come by now, not a whole block: a server that sends a byte at a time would never fill one.
        while block := answer.read1(BLOCK_BYTES):
            stream.write(block)
            received += len(block)
            DOWNLOAD_BYTES.require(received, where)
            DOWNLOAD_SECONDS.require(int(time.monotonic() - started), f"{where}: the download")
    if expected is not None and received != int(expected):
        raise ValueError(f"{received} of {expected} bytes came")
