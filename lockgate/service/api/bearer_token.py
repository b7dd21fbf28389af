"""The bearer token (RFC 6750) that a request has to bring where one is set; a service without tokens asks for none."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockgate.config.errors import InputError
from lockgate.config.files import read_bytes
from lockgate.service.api.errors import Refusal, refuse

TOKEN_VARIABLE = "LOCKGATE_TOKEN"  # noqa: S105  # the variable's name; an option's value would stand in the list of processes
MIN_TOKEN = 16  # characters: a shorter one can be guessed
OPEN_PATHS = frozenset({"/health", "/ready"})  # say nothing of applicants, and the platform's probes bring no token
TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
CREDENTIALS = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)[ \t]*")
HOW_TO_MAKE = "make one with `openssl rand -hex 32`"


@dataclass(frozen=True)
class BearerTokens:
    """The tokens that are taken, as their SHA-256: what is kept, compared and perhaps printed is of one length and no secret."""

    digests: tuple[bytes, ...]

    def require(
        self, path: str, headers: Sequence[tuple[bytes, bytes]], open_paths: frozenset[str] = OPEN_PATHS
    ) -> None:
        """Raise the refusal with 401, unless `path` is one of `open_paths` or exactly one header brings one of the tokens.

        Every token is compared, each in a time that does not depend on what was sent.
        """
        if path in open_paths:
            return
        given = [value for name, value in headers if name == b"authorization"]
        credentials = CREDENTIALS.fullmatch(given[0]) if len(given) == 1 else None
        if credentials is None:
            raise _refusal("send `Authorization: Bearer TOKEN`, once")
        digest = hashlib.sha256(credentials[1]).digest()
        if not sum([hmac.compare_digest(digest, one) for one in self.digests]):
            raise _refusal("this token is not one of the service's", b', error="invalid_token"')


def read_tokens(file: Path | None, environment: Mapping[str, str] = os.environ) -> BearerTokens | None:
    """What `stated_tokens` finds, for a service; None, where there are none, asks for no token."""
    tokens = stated_tokens(file, environment)
    return BearerTokens(tuple(hashlib.sha256(token.encode()).digest() for token in tokens)) if tokens else None


def stated_tokens(file: Path | None, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The tokens of `file`, one a line, or the one of LOCKGATE_TOKEN; none where neither is given.

    Raises InputError, which repeats none of them, where both are given or a token is not one: nothing is served open by mistake.
    """
    stated = environment.get(TOKEN_VARIABLE)
    if file is None:
        return [] if stated is None else [_token(stated.encode(), TOKEN_VARIABLE)]
    if stated is not None:
        raise InputError(f"--token-file and {TOKEN_VARIABLE} are both given; keep one")
    lines = enumerate(read_bytes(file, HOW_TO_MAKE).splitlines(), start=1)
    tokens = [_token(line, f"{file}, line {number}") for number, line in lines if line.strip()]
    if not tokens:
        raise InputError(f"{file} has no token; {HOW_TO_MAKE}, one a line")
    return tokens


def _token(line: bytes, where: str) -> str:
    token = line.strip()
    if len(token) < MIN_TOKEN or not TOKEN.fullmatch(token):
        raise InputError(
            f"{where}: a token has {MIN_TOKEN} or more letters, digits and -._~+/, then perhaps =; {HOW_TO_MAKE}"
        )
    return token.decode()


def _refusal(message: str, error: bytes = b"") -> Refusal:
    challenge = b'Bearer realm="lockgate"' + error
    return refuse(401, "unauthorized", ("header", "authorization"), message, [(b"www-authenticate", challenge)])
