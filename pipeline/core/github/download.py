"""Archives from GitHub, with a limit on their size and on the time they take."""

from __future__ import annotations

import time

import requests
from requests.adapters import HTTPAdapter

from pipeline.core.github.client import GitHubError, GitHubSettings, asking
from pipeline.core.github.retry import BoundedRetry

SECONDS = 300.0


def download(settings: GitHubSettings, url: str, what: str, most_bytes: int) -> bytes:
    """The content at `url`, an address of GitHub's API; `what` names it in errors.

    Raises GitHubError where it cannot be had, has more than `most_bytes`, or takes more than `SECONDS`.
    """
    started = time.monotonic()
    content = bytearray()
    with asking(f"download {what}"), requests.Session() as session:
        retry = BoundedRetry(patience=settings.patience, unnamed_wait=settings.unnamed_wait)
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        # GitHub redirects to storage, and requests leaves the token behind where the host changes.
        session.headers.update({"Authorization": f"Bearer {settings.token}", "Accept": "application/vnd.github+json"})
        with session.get(url, stream=True, timeout=30) as answer:
            if answer.status_code != 200:
                raise GitHubError(f"cannot download {what}: the answer was {answer.status_code}", answer.status_code)
            for block in answer.iter_content(1 << 16):
                content += block
                if len(content) > most_bytes:
                    raise GitHubError(f"cannot download {what}: it is over {most_bytes:,} bytes")
                if time.monotonic() - started > SECONDS:
                    raise GitHubError(f"cannot download {what}: it takes more than {SECONDS:g} s")
    return bytes(content)
