"""Putting drift.json into a bucket, by an address that says who may."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

from pipeline.core.common.errors import InputError

ATTEMPTS = 3
TIMEOUT = 30


def upload(url: str, header: str, content: bytes, wait: Callable[[float], None] = time.sleep) -> None:
    """PUT the content, as storage with signed addresses takes it.

    Raises InputError, which never repeats the address or the header: both may be secrets.
    """
    if not url.startswith("https://"):
        raise InputError("put-url has to begin with https://")
    name, colon, value = header.partition(":")
    if (header and not (colon and name.strip() and value.strip())) or "\n" in header:
        raise InputError("put-header is no header; write it as `Name: value`")
    headers = {"Content-Type": "application/json", **({name.strip(): value.strip()} if header else {})}
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            wait(2.0 * attempt)
        try:
            answer = requests.put(url, data=content, headers=headers, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            problem = type(error).__name__
            continue
        if answer.ok and not answer.is_redirect:
            return
        problem = f"it answered {answer.status_code}"
        if answer.status_code < 500:
            break
    raise InputError(f"drift.json could not be put to the address in put-url: {problem}; check the address and its age")
