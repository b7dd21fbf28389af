"""Credentials are never shown: a URL without what may be secret in it, alone or in the middle of a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable

HIDDEN = "***"
MIN_REPEATED = 4  # letters of a URL that stand in a text by no chance
_LOCAL = re.compile(r"file|sqlite(\+\w+)?", re.IGNORECASE)  # what follows their :/// is a path of this machine
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\],'\"]*)(?::\d{0,5})?"
_HOSTS = re.compile(f"{_HOST}(?:,{_HOST})*")
_ANCHOR = re.compile(r"#[a-z]{1,20}-\d{1,20}")  # of a page, such as #issuecomment-12
_SIGNED = re.compile(r"[^=&;]*(?:sig|hmac|policy)[^=&;]*=", re.IGNORECASE)
# Upper and lower case and digits in one long word: a token, as in the path of a webhook. A hash has one case.
_TOKEN = re.compile(r"(?<![A-Za-z0-9])(?=[A-Z0-9]*[a-z])(?=[a-z0-9]*[A-Z])(?=[A-Za-z]*\d)[A-Za-z0-9]{20,}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://\S*")
_QUERY = re.compile(r"(?<=[\w/.%~-])\?[^\s=?]*=\S*")  # of a path alone, as in `Max retries exceeded with url: /a?b=c`
_CLOSING = ")]}>'\"`,.;:!"
_KEYED = re.compile(
    r"((?:passw(?:or)?d|pwd|token|secret|signature|account_?key|api_?key|access_?key)\w{0,20}=['\"]?)[^\s\"'&;,)]+"
    r"|(authorization['\"]?[:=] ?['\"]?(?:bearer|basic|token) )[^\s'\"]+",
    re.IGNORECASE,
)
_KNOWN = re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_|AKIA|ASIA|xox[abprs]-)[A-Za-z0-9_-]{12,}")


def safe_url(url: str) -> str:
    """`url` without user, password, query and fragment, and without the path where it is signed; a path as it is.

    What a program takes for the host and what a person meant may differ, as in `db://u:p@ss/w@host`, where the password
    holds `@` and `/`: only what is public in every reading is shown, and where nothing is, `***` stands for it.
    """
    scheme, colon, rest = url.partition("://")
    if not colon:
        return url
    place = re.split("[?#]", rest, maxsplit=1)[0]
    query = rest[len(place) :]
    if _LOCAL.fullmatch(scheme) and rest.startswith("/"):
        return f"{scheme}://{place}"
    hosts, slash, path = place.rpartition("@")[2].partition("/")
    # An `@` that late: a query has it, or a password with a question mark. A port that is no number: a password too.
    if "@" in query or not _HOSTS.fullmatch(hosts) or ("@" in place and not hosts):
        return f"{scheme}://{HIDDEN}"
    path = HIDDEN if path and _SIGNED.search(query) else _TOKEN.sub(HIDDEN, path)
    return f"{scheme}://{hosts}{slash}{path}{query if _ANCHOR.fullmatch(query) else ''}"


def without_credentials(text: str, *urls: str) -> str:
    """A sentence, such as an exception's, with each URL in it as `safe_url` shows it, and without `password=...`.

    `urls` are those that it is about: a library may repeat a part of one, as in `nonnumeric port: 'secret@host'`.
    """
    for url in urls:
        text = _without_parts(text, url)
    text = _URL.sub(lambda found: _before_closing(found[0], safe_url), text)
    text = _QUERY.sub(lambda found: _before_closing(found[0], lambda _: f"?{HIDDEN}"), text)
    text = _KEYED.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", text)
    return _KNOWN.sub(HIDDEN, text)


def _without_parts(text: str, url: str) -> str:
    """The text without any part of the URL that is not shown of it."""
    shown, kept, at = safe_url(url), [], 0
    while at < len(text):
        size = (
            next((size for size in range(1, len(text) - at + 1) if text[at : at + size] not in url), len(text) - at + 1)
            - 1
        )
        is_secret = size >= MIN_REPEATED and text[at : at + size] not in shown
        kept.append(HIDDEN if is_secret else text[at])
        at += size if is_secret else 1
    return "".join(kept)


def _before_closing(word: str, change: Callable[[str], str]) -> str:
    """The word changed up to the brackets, quotes and full stops that close the sentence around it."""
    kept = word.rstrip(_CLOSING)
    return change(kept) + word[len(kept) :]
