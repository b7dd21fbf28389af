"""What a release asks of registries and of GitHub has an end, and what may pass is asked again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lockgate.ci.release import containers, tools
from lockgate.config.errors import InputError

BUSY = "pinging container registry r.example: invalid status code from registry 503 (Service Unavailable)"
# What skopeo and gh say of a moment that passes, and of what stays as it is.
PASSING = [
    BUSY,
    "reading manifest v1 in r.example/a: received unexpected HTTP status: 502 Bad Gateway",
    "uploading layer: StatusCode: 504, ",
    "toomanyrequests: retry in a moment",
    "dial tcp 10.0.0.1:443: connect: connection refused",
    "read tcp 10.0.0.1:443: read: connection reset by peer",
    "HTTP 503: no server is available (https://api.github.com/repos/a/b/attestations)",
]
STAYING = [
    "reading manifest v1 in r.example/a: unauthorized: authentication required",
    "StatusCode: 404, ",
    "Error: HTTP 404: Not Found",
    "reading r.example/a@sha256:503 in r.example:503: denied",
]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `skopeo` that fails with the lines of the file `errors` one after the other, and then answers."""
    script = tmp_path / "skopeo"
    script.write_text(
        f"""#!/bin/bash
cd {tmp_path}
echo "$@" >>calls
line=$(head -n 1 errors)
[ "$line" != hang ] || exec sleep 30
[ -z "$line" ] || {{ sed -i 1d errors; echo "$line" >&2; exit 1; }}
echo answer
"""
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(tools, "PAUSE", 0.001)
    return tmp_path


def calls(program: Path) -> int:
    return len((program / "calls").read_text().splitlines())


@pytest.mark.parametrize("said", PASSING)
def test_what_may_pass_is_asked_again(program: Path, said: str) -> None:
    (program / "errors").write_text(f"{said}\n{said}\n")
    assert containers.find_digest("r.example/a:v1") is not None
    assert calls(program) == 3


@pytest.mark.parametrize("said", STAYING)
def test_what_stays_as_it_is_is_asked_once(program: Path, said: str) -> None:
    (program / "errors").write_text(f"{said}\n")
    with pytest.raises(tools.ToolError, match="cannot look for "):
        containers.find_digest("r.example/a:v1")
    assert calls(program) == 1


def test_what_does_not_pass_is_an_error_in_the_end(program: Path) -> None:
    (program / "errors").write_text(f"{BUSY}\n" * 9)
    with pytest.raises(tools.ToolError, match=r"cannot push r\.example/a@sha256:1: skopeo says .*503"):
        containers.push_image(program, "r.example/a", "sha256:1")
    assert calls(program) == 1 + tools.RETRIES


def test_no_pause_outlasts_the_limit(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "PAUSE", 60.0)
    (program / "errors").write_text(f"{BUSY}\n")
    with pytest.raises(tools.ToolError, match="503"):
        tools.ask_server("skopeo", what="look")
    assert calls(program) == 1


def test_who_says_nothing_is_given_up(program: Path) -> None:
    (program / "errors").write_text("hang\n")
    start = time.monotonic()
    with pytest.raises(InputError, match="skopeo did not look in 1 s; run it again"):
        tools.ask_server("skopeo", what="look", seconds=1.0)
    assert time.monotonic() - start < 10
