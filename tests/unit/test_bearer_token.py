"""Bearer tokens: which headers bring one that is taken, and which files and variables hold some."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lockgate.config.errors import InputError
from lockgate.service.api.bearer_token import BearerTokens, read_tokens
from lockgate.service.api.errors import Refusal

OLD, NEW = "0123456789abcdef-old", "fedcba9876543210-new=="
CHALLENGE = b'Bearer realm="lockgate"'


@pytest.fixture
def tokens(tmp_path: Path) -> BearerTokens:
    """The old token and the new one, as while they are changed."""
    file = tmp_path / "tokens"
    file.write_text(f"{OLD}\n\n  {NEW} \r\n")
    found = read_tokens(file, {})
    assert found
    return found


def refusal(tokens: BearerTokens, *authorization: bytes, path: str = "/predict") -> Refusal | None:
    """Why a request with these headers is refused, or None."""
    try:
        tokens.require(path, [(b"host", b"here"), *[(b"authorization", one) for one in authorization]])
    except Refusal as refused:
        return refused
    return None


@pytest.mark.parametrize("token", [OLD, NEW])
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
def test_every_token_is_taken_whatever_the_case_of_the_scheme(tokens: BearerTokens, scheme: str, token: str) -> None:
    assert refusal(tokens, f"{scheme}{token}".encode()) is None
    assert refusal(tokens, f"{scheme}{token} \t".encode()) is None  # not every server strips it


@pytest.mark.parametrize(
    "authorization",
    [
        (),
        (b"",),
        (b"Bearer",),
        (b"Bearer ",),
        (OLD.encode(),),
        (f"Bearer{OLD}".encode(),),
        (f"Bearer\t{OLD}".encode(),),
        (f" Bearer {OLD}".encode(),),
        (f"Basic {OLD}".encode(),),
        (f"Bearer, {OLD}".encode(),),
        (f"Bearer {OLD} {OLD}".encode(),),
        (f"Bearer {OLD},".encode(),),
        (f'Bearer "{OLD}"'.encode(),),
        (f"Bearer {OLD}\xe9".encode("latin-1"),),
        (f"Bearer {OLD}é".encode(),),
        (f"Bearer {OLD}\x00".encode(),),
        (f"Bearer {OLD}".encode(), f"Bearer {OLD}".encode()),
        (f"Bearer {OLD}".encode(), b""),
    ],
)
def test_what_is_no_bearer_token_is_refused_with_what_to_send(
    tokens: BearerTokens, authorization: tuple[bytes, ...]
) -> None:
    refused = refusal(tokens, *authorization)
    assert refused
    assert (refused.status, refused.code) == (401, "unauthorized")
    assert [problem.loc for problem in refused.problems] == [("header", "authorization")]
    assert refused.headers == [(b"www-authenticate", CHALLENGE)]


@pytest.mark.parametrize(
    "token",
    ["0" * 20, OLD[:-1], OLD + "x", OLD.upper(), OLD + "=", NEW.rstrip("="), OLD + NEW, "x" * 1_000_000],
    ids=lambda token: token[:24],
)
def test_another_token_is_refused_and_never_repeated(tokens: BearerTokens, token: str) -> None:
    started = time.perf_counter()
    refused = refusal(tokens, f"Bearer {token}".encode())
    assert time.perf_counter() - started < 1.0
    assert refused
    assert refused.headers == [(b"www-authenticate", CHALLENGE + b', error="invalid_token"')]
    assert token.encode() not in refused.body()


def test_a_refusal_is_made_anew_for_each_request(tokens: BearerTokens) -> None:
    """One that is raised again and again would keep the frames, and so the body, of every request that it ended."""
    assert refusal(tokens) is not refusal(tokens)
    assert refusal(tokens, b"Bearer wrong") is not refusal(tokens, b"Bearer wrong")


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_probes_need_no_token(tokens: BearerTokens, path: str) -> None:
    assert refusal(tokens, path=path) is None


@pytest.mark.parametrize(
    "path",
    ["/predict", "/predict/batch", "/explain", "/drift", "/metrics", "/docs", "/openapi.json", "/own", "/health/", "/"],
)
def test_every_other_path_does(tokens: BearerTokens, path: str) -> None:
    assert refusal(tokens, path=path)


def test_a_token_is_kept_as_its_digest(tokens: BearerTokens) -> None:
    assert OLD not in repr(tokens)
    assert NEW not in repr(tokens)


def test_without_a_file_and_a_variable_none_is_needed() -> None:
    assert read_tokens(None, {}) is None


def test_the_variable_holds_one(tmp_path: Path) -> None:
    tokens = read_tokens(None, {"LOCKGATE_TOKEN": f"{OLD}\n"})
    assert tokens
    assert refusal(tokens, f"Bearer {OLD}".encode()) is None
    assert refusal(tokens, f"Bearer {NEW}".encode())
    (tmp_path / "tokens").write_text(NEW)
    with pytest.raises(InputError, match="--token-file and LOCKGATE_TOKEN are both given"):
        read_tokens(tmp_path / "tokens", {"LOCKGATE_TOKEN": OLD})


@pytest.mark.parametrize(
    "token",
    ["", " ", "short", "0123456789abcde", "0123456789 abcdef", "passwörter-sind-lang", f"{OLD}\n{NEW}", "=" * 20],
)
def test_a_variable_that_holds_no_token_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(InputError, match=r"^LOCKGATE_TOKEN: a token has 16 or more") as refused:
        read_tokens(None, {"LOCKGATE_TOKEN": token})
    assert len(token) < 2 or token not in str(refused.value)


def test_a_file_that_holds_no_token_is_refused_and_the_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    with pytest.raises(InputError, match=r"tokens does not exist; make one with `openssl rand -hex 32`"):
        read_tokens(file, {})
    file.write_text("\n \n")
    with pytest.raises(InputError, match="tokens has no token"):
        read_tokens(file, {})
    file.write_text(f"{OLD}\n# of October: secret\n")
    with pytest.raises(InputError, match="tokens, line 2: a token has 16 or more") as refused:
        read_tokens(file, {})
    assert "October" not in str(refused.value)
    file.write_bytes(b"\xff\xfe" + OLD.encode("utf-16-le"))
    with pytest.raises(InputError, match="tokens, line 1: a token has"):
        read_tokens(file, {})
